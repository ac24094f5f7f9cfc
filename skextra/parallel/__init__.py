"""The ``"skextra"`` joblib backend: worker processes whose death is an error, never a hang."""

from skextra.parallel._backend import SkextraBackend
from skextra.parallel._devices import leased_device
from skextra.parallel._errors import TaskTimeoutError, WorkerCrashError
from skextra.parallel._journal import JournalError
from skextra.parallel._ledger import journaled
from skextra.parallel._reading import Journal

__all__ = [
    "Journal",
    "JournalError",
    "SkextraBackend",
    "TaskTimeoutError",
    "WorkerCrashError",
    "journaled",
    "leased_device",
]
