"""The options of the backend: which there are, and what they may be."""

import os
from numbers import Integral, Real

# What joblib.Parallel passes to every backend, needed or not.
_FROM_JOBLIB = {"max_nbytes", "temp_folder", "mmap_mode", "verbose", "context"}
_OPTIONS = {
    "devices",
    "inner_max_num_threads",
    "initializer",
    "initargs",
    "journal",
    "max_retries",
    "task_timeout",
    "tasks_per_device",
}


def known_options(given):
    """Return those of the options given to ``Parallel`` that are the backend's own.

    Raises
    ------
    TypeError
        If there is one that nobody knows.
    """
    unknown = sorted(given.keys() - _OPTIONS - _FROM_JOBLIB)
    if unknown:
        raise TypeError(
            f'the "skextra" backend has no option {", ".join(map(repr, unknown))}; it has '
            f"{', '.join(map(repr, sorted(_OPTIONS)))}"
        )
    return {name: given[name] for name in _OPTIONS & given.keys()}


def check_options(options):
    """Raise unless the options, attributes of an object, are what they may be."""
    threads = options.inner_max_num_threads
    if threads is not None and not (isinstance(threads, Integral) and threads > 0):
        raise ValueError(f"inner_max_num_threads must be a positive integer, got {threads!r}")
    if options.initializer is not None and not callable(options.initializer):
        raise TypeError(f"initializer must be callable, got {options.initializer!r}")
    if not (isinstance(options.max_retries, Integral) and options.max_retries >= 0):
        raise ValueError(f"max_retries must be 0 or more, got {options.max_retries!r}")
    limit = options.task_timeout
    if limit is not None and not (isinstance(limit, Real) and 0 < limit < float("inf")):
        raise ValueError(f"task_timeout must be a number of seconds over 0, got {limit!r}")
    if options.journal is not None and not isinstance(options.journal, str | os.PathLike):
        raise TypeError(f"journal must be the path of a file, got {options.journal!r}")
    if options.devices is not None and not _are_names(options.devices):
        raise TypeError(f"devices must be a list of names, got {options.devices!r}")
    if not (isinstance(options.tasks_per_device, Integral) and options.tasks_per_device > 0):
        raise ValueError(
            f"tasks_per_device must be a positive integer, got {options.tasks_per_device!r}"
        )


def _are_names(devices):
    return (
        isinstance(devices, list | tuple)
        and len(devices) > 0
        and all(isinstance(name, str) for name in devices)
    )
