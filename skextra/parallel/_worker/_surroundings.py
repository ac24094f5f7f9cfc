"""What a task finds around it in its process: environment, directory, threads, random numbers.

Each call gets them as its caller has them, whatever the tasks of the calls before have left
behind. What an initializer has set stays, as it runs only once in a process.
"""

import contextlib
import os
import random
import sys
from dataclasses import dataclass

import numpy as np

from skextra.parallel._worker import _device
from skextra.parallel._worker._threads import ThreadLimits


@dataclass(frozen=True)
class Settings:
    """What a worker takes over from its parent before it runs the tasks of a call.

    Parameters
    ----------
    environment : dict
        The environment of the parent, with the limits on threads in it.
    directory : str or None
        Its working directory, None if that has been removed.
    sys_path : list of str
        Where it looks for modules.
    nested_backend : (ParallelBackendBase, int or None)
        joblib's backend and ``n_jobs`` for calls inside a task.
    max_nbytes : float, default=None
        Results over this size come back in shared memory; None for none.
    n_call : int, default=0
        Differs from call to call, so that the settings are applied anew for each.
    steps_address : str or None, default=None
        Of the keeper of the steps that the pipelines of its tasks share; None if they share none.
    node_keeps_steps : bool, default=False
        Whether a node of a cluster, which fills in the address, is to open a keeper.
    node_keeps_nbytes : int or None, default=None
        How much it keeps.
    """

    environment: dict
    directory: str | None
    sys_path: list
    nested_backend: tuple
    max_nbytes: float | None = None
    n_call: int = 0
    steps_address: str | None = None
    node_keeps_steps: bool = False
    node_keeps_nbytes: int | None = None


class Surroundings:
    """The surroundings of the tasks of this process."""

    def __init__(self):
        self._environment = {}  # what the initializer has set, or None for what it has removed
        self._directory = None  # where it has gone
        self._paths = []  # where it has modules looked for
        self._seeded = False
        self._limits = ThreadLimits()

    def apply(self, settings):
        """Make this process like the parent; the limits on threads hold in this thread."""
        environment = settings.environment | _device.visible_devices(settings.environment)
        environment |= self._environment
        _set_environment({k: v for k, v in environment.items() if v is not None})
        sys.path[:] = [*self._paths, *settings.sys_path]
        directory = self._directory or settings.directory
        if directory is not None:
            with contextlib.suppress(OSError):  # it may have been removed meanwhile
                os.chdir(directory)
        self._limits.apply(settings.environment)
        self._share_steps(settings.steps_address)
        if not self._seeded:  # an initializer may have chosen the numbers
            draw_own_numbers()

    def _share_steps(self, address):
        # What it needs of scikit-learn is not imported for those who have not asked for it.
        if address is not None or "skextra.parallel._reuse._steps" in sys.modules:
            from skextra.parallel._reuse._steps import share_steps

            share_steps(address)

    def initialize(self, settings, function, args):
        """Call an initializer, and keep what it sets for the calls to come."""
        before, directory, paths = dict(os.environ), _directory(), list(sys.path)
        self._seeded = True
        try:
            function(*args)
        finally:
            after = dict(os.environ)
            for name in before.keys() | after.keys():
                if before.get(name) != after.get(name):
                    self._environment[name] = after.get(name)
            if _directory() != directory:
                self._directory = _directory()
            self._paths += [path for path in sys.path if path not in paths]


def draw_own_numbers():
    """Seed the global generators by the system, as in a new process.

    Workers are forked from one state, and a task of an earlier call may have seeded several of
    them alike. What is not loaded seeds itself when it is.
    """
    random.seed()
    if "numpy.random" in sys.modules:
        np.random.seed()  # noqa: NPY002  the global one
    torch = sys.modules.get("torch")
    if hasattr(torch, "seed"):
        torch.seed()


def _set_environment(wanted):
    if dict(os.environ) == wanted:
        return
    for name in os.environ.keys() - wanted.keys():
        del os.environ[name]
    os.environ.update(wanted)


def _directory():
    try:
        return os.getcwd()
    except OSError:  # removed
        return None
