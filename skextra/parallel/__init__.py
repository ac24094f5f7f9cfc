"""The ``"skextra"`` joblib backend: worker processes whose death is an error, never a hang.

The way of one task, and the thread or process in which each step happens::

    caller's thread      joblib.Parallel
                           | submit                     _backend     joblib's contract
                         Session                        _scheduling  asks the journal first
                           | Batch -> Attempt           _sharing     large arrays, pickled once
    dispatcher thread    Scheduler                      _scheduling  what runs when, retries
                           | start, poll                _engines     Engine: its few methods
                         ProcessEngine                  _engines/_processes on Linux, _loky
                           |                              elsewhere, or on a cluster _dask,
                           |                              and _node in _scheduling there
                           | Channel: a pipe            _messages
    worker process       main                           _worker      runs the calls
                           | steps that others fitted   _reuse       only if it is asked for
                           | results; memory it shares  _sharing
    dispatcher thread    Ended or Died                  _engines     a death is noticed here
                           | retry, or finish           _scheduling
    delivery thread      Delivery                       _scheduling
                           | first                      _journal     Recorder -> the file
                           | then                       _backend     joblib's callback

`_fingerprint`, beside this package, says what a result depends on; `_searches` is all that the
backend knows of scikit-learn, `_joblib` all that it takes from joblib's private names.
"""

from typing import TYPE_CHECKING

from skextra._lazy import lazy_attributes

if TYPE_CHECKING:
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

if not TYPE_CHECKING:  # to a type checker it would mean that there is an attribute of any name
    # Who reads a journal or asks for the leased device needs no pool of workers, nor SQLite.
    __getattr__ = lazy_attributes(
        "skextra.parallel",
        {
            "Journal": "skextra.parallel._journal._reader",
            "JournalError": "skextra.parallel._journal._file",
            "SkextraBackend": "skextra.parallel._backend",
            "TaskTimeoutError": "skextra.parallel._errors",
            "WorkerCrashError": "skextra.parallel._errors",
            "journaled": "skextra.parallel._journal._recorder",
            "leased_device": "skextra.parallel._worker._device",
        },
    )


def __dir__() -> list[str]:
    return __all__
