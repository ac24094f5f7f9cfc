"""The options of the backend: which there are, and what they may be."""

import dataclasses
import os
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real

# What joblib.Parallel passes to every backend, needed or not.
_FROM_JOBLIB = {"max_nbytes", "temp_folder", "mmap_mode", "verbose", "context"}


@dataclass(frozen=True)
class Options:
    """What a user can ask of one call; `SkextraBackend` describes each option."""

    inner_max_num_threads: int | None = None
    initializer: Callable | None = None
    initargs: tuple = ()
    max_retries: int = 2
    task_timeout: float | None = None
    journal: str | os.PathLike | None = None
    devices: list | tuple | None = None
    tasks_per_device: int = 1
    cluster: object = None
    patience: float = 300.0
    reuse_steps: bool = False
    reuse_bytes: int | None = None

    @property
    def need_workers(self):
        """Whether there are options that mean nothing without worker processes."""
        options = (self.journal, self.task_timeout, self.devices, self.cluster)
        return self.reuse_steps or any(option is not None for option in options)

    @property
    def need_workers_for_one_job(self):
        """Whether there are options that mean something for one job, too, if it has a worker."""
        return self.reuse_steps or self.journal is not None or self.cluster is not None

    def updated(self, given):
        """Return the options of one call.

        Parameters
        ----------
        given : dict
            What ``Parallel`` was given, those of joblib included.

        Returns
        -------
        options : Options
            These, with what was given in their place.

        Raises
        ------
        TypeError, ValueError
            If there is an option that nobody knows, or one is not what it may be.
        """
        names = {field.name for field in dataclasses.fields(self)}
        unknown = sorted(given.keys() - names - _FROM_JOBLIB)
        if unknown:
            raise TypeError(
                f'the "skextra" backend has no option {", ".join(map(repr, unknown))}; it has '
                f"{', '.join(map(repr, sorted(names)))}"
            )
        options = dataclasses.replace(self, **{name: given[name] for name in names & given.keys()})
        options.check()
        return options

    def check(self):
        """Raise a TypeError or a ValueError unless each option is what it may be."""
        threads = self.inner_max_num_threads
        if threads is not None and not (isinstance(threads, Integral) and threads > 0):
            raise ValueError(f"inner_max_num_threads must be a positive integer, got {threads!r}")
        if self.initializer is not None and not callable(self.initializer):
            raise TypeError(f"initializer must be callable, got {self.initializer!r}")
        if not (isinstance(self.max_retries, Integral) and self.max_retries >= 0):
            raise ValueError(f"max_retries must be 0 or more, got {self.max_retries!r}")
        limit = self.task_timeout
        if limit is not None and not (isinstance(limit, Real) and 0 < limit < float("inf")):
            raise ValueError(f"task_timeout must be a number of seconds over 0, got {limit!r}")
        if self.journal is not None and not isinstance(self.journal, str | os.PathLike):
            raise TypeError(f"journal must be the path of a file, got {self.journal!r}")
        if self.devices is not None and not _are_names(self.devices):
            raise TypeError(f"devices must be a list of names, got {self.devices!r}")
        if not (isinstance(self.tasks_per_device, Integral) and self.tasks_per_device > 0):
            raise ValueError(
                f"tasks_per_device must be a positive integer, got {self.tasks_per_device!r}"
            )
        if self.cluster is not None and not _is_cluster(self.cluster):
            raise TypeError(
                "cluster must be a distributed.Client, or an address or a cluster that "
                f"distributed.Client takes, got {self.cluster!r}"
            )
        if not (isinstance(self.patience, Real) and 0 < self.patience < float("inf")):
            raise ValueError(f"patience must be a number of seconds over 0, got {self.patience!r}")
        self._check_reuse()

    def _check_reuse(self):
        nbytes = self.reuse_bytes
        if not isinstance(self.reuse_steps, bool):
            raise TypeError(f"reuse_steps must be True or False, got {self.reuse_steps!r}")
        if nbytes is None:
            return
        if not (isinstance(nbytes, Integral) and nbytes > 0):
            raise ValueError(f"reuse_bytes must be a positive integer, got {nbytes!r}")
        if not self.reuse_steps:
            raise ValueError(
                f"reuse_bytes is {nbytes}, but nothing is kept without reuse_steps=True; give "
                "both or none"
            )


def _is_cluster(cluster):
    if isinstance(cluster, str):
        return bool(cluster)
    # As clients have, and clusters of Dask, dask-jobqueue and others; Dask is not imported here.
    return hasattr(cluster, "scheduler_info") and not isinstance(cluster, type)


def _are_names(devices):
    return (
        isinstance(devices, list | tuple)
        and len(devices) > 0
        and all(isinstance(name, str) for name in devices)
    )
