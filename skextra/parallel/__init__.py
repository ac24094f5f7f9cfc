"""The ``"skextra"`` joblib backend: worker processes whose death is an error, never a hang."""

from skextra.parallel._backend import SkextraBackend
from skextra.parallel._errors import WorkerCrashError

__all__ = ["SkextraBackend", "WorkerCrashError"]
