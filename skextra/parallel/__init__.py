"""The ``"skextra"`` joblib backend: worker processes whose death is an error, never a hang."""

from skextra.parallel._backend import SkextraBackend
from skextra.parallel._errors import TaskTimeoutError, WorkerCrashError
from skextra.parallel._journal._file import JournalError
from skextra.parallel._journal._reader import Journal
from skextra.parallel._journal._recorder import journaled
from skextra.parallel._worker._device import leased_device

__all__ = [
    "Journal",
    "JournalError",
    "SkextraBackend",
    "TaskTimeoutError",
    "WorkerCrashError",
    "journaled",
    "leased_device",
]
