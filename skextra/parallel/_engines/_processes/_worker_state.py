"""What the engine knows of each worker process: what it was told, and what it runs."""

from skextra.parallel._engines._execution import Execution
from skextra.parallel._engines._preparation import Preparation
from skextra.parallel._engines._processes._worker_process import WorkerProcess


class Worker:
    """A worker process and its state; only the dispatcher thread touches it.

    Parameters
    ----------
    device : str or None
        The device that its tasks use, for the life of the process.

    Attributes
    ----------
    preparation : Preparation
        What the process was told, and which modules of the user's it has imported.
    execution : Execution or None
        What it runs; None if it is idle.
    deadline : float or None
        When an idle worker is to shut down, or one that shuts down is to be killed.
    """

    def __init__(self, device):
        self.process = WorkerProcess(device)
        self.preparation = Preparation()
        self.execution = self.deadline = None
        self.shutting_down = False
        self.has_slot = False

    @property
    def device(self):
        """The device of its process."""
        return self.process.device

    def begin(self, attempt):
        """Prepare the process for an attempt, and send it."""
        channel = self.process.channel
        for message in self.preparation.update(attempt):
            channel.send(message)
        self.deadline = None
        self.execution = Execution(attempt)
        self.process.progress.reset()
        channel.send(attempt.message())

    def end_execution(self):
        """Forget the attempt, which is over."""
        self.execution = None

    def next_deadline(self):
        """Return when to look at the worker again, or None."""
        return self.deadline if self.execution is None else self.execution.deadline
