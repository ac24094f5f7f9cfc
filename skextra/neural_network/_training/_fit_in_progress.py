"""A fit in progress: its epochs, the best of them, and where it is stored meanwhile."""

import copy
import math

from skextra.neural_network._training._runtime import (
    explaining_lack_of_memory,
    generator_states,
    set_generator_states,
)


class Training:
    """All that changes from epoch to epoch, so that it can be stored and gone on with.

    Parameters
    ----------
    net : TrainingNet
        The net that is trained.
    batches : Batches
        What it is trained on.
    schedule : Schedule or None
        Its learning rate.
    n_epochs : int
        Epochs to train.
    best : BestEpoch or None
        What early stopping knows.
    """

    def __init__(self, net, batches, schedule, n_epochs, best=None):
        self.net, self.batches, self.schedule = net, batches, schedule
        self.n_epochs, self.best = n_epochs, best
        self.epoch = 0
        self.loss_curve = []
        self.validation_scores = None if best is None else []

    @property
    def is_over(self):
        """Whether all epochs are trained, or early stopping has seen enough."""
        return self.epoch >= self.n_epochs or (self.best is not None and self.best.is_over)

    def run_epoch(self):
        """Train one epoch."""
        self.epoch += 1
        self.loss_curve.append(
            train_one_epoch(self.net, self.batches, self.schedule, epoch=self.epoch)
        )

    def note_score(self, score):
        """Take note of the score on the part held out."""
        self.validation_scores.append(score)
        self.best.update(self.epoch, score, self.net.predictor)

    def finish(self):
        """Leave the weights that predict in the net and return the epoch they come from."""
        self.net.end_training()
        if self.best is None or self.best.epoch == 0:
            return self.epoch
        self.best.restore(self.net.module_)
        return self.best.epoch

    def state_dict(self):
        """Return where the training is, in tensors and plain objects."""
        device, average = self.batches.device, self.net.averaged
        return {
            "epoch": self.epoch,
            "loss_curve": list(self.loss_curve),
            "validation_scores": self.validation_scores and list(self.validation_scores),
            "module": self.net.module_.state_dict(),
            "optimizer": self.net.optimizer_.state_dict(),
            "average": average and (average.n_updates, average.module.state_dict()),
            "schedule": self.schedule and self.schedule.state_dict(),
            "best": self.best and self.best.state_dict(),
            "generators": generator_states(device),
        }

    def load_state_dict(self, state):
        """Go on from what `state_dict` returned."""
        self.epoch = state["epoch"]
        self.loss_curve[:] = state["loss_curve"]
        self.net.module_.load_state_dict(state["module"])
        self.net.optimizer_.load_state_dict(state["optimizer"])
        if self.net.averaged is not None:
            self.net.averaged.n_updates = state["average"][0]
            self.net.averaged.module.load_state_dict(state["average"][1])
        if self.schedule is not None:
            self.schedule.load_state_dict(state["schedule"])
        if self.best is not None:
            self.validation_scores[:] = state["validation_scores"]
            self.best.load_state_dict(state["best"])
        set_generator_states(state["generators"], self.batches.device)


def train_one_epoch(net, batches, schedule=None, *, epoch):
    """Go once through the batches and return the mean loss a row."""
    with explaining_lack_of_memory("training", batches.batch_size, batches.device):
        return net.train_epoch(batches, schedule, epoch)


class BestEpoch:
    """Remembers the weights of the best epoch, and when it is time to stop.

    Parameters
    ----------
    n_iter_no_change : int
        Epochs without a gain of more than `tol` after which `is_over` is true.
    tol : float
        See `n_iter_no_change`.
    """

    def __init__(self, n_iter_no_change, tol):
        self._patience, self._tol = n_iter_no_change, tol
        self._n_idle, self._score, self._weights = 0, -math.inf, None
        self.epoch = 0

    @property
    def is_over(self):
        """Whether the score has stood still for long enough."""
        return self._n_idle >= self._patience

    def update(self, epoch, score, module):
        """Take note of an epoch's score and keep its weights if they are the best so far."""
        self._n_idle = 0 if score > self._score + self._tol else self._n_idle + 1
        if score > self._score:
            self.epoch, self._score = epoch, score
            self._weights = copy.deepcopy(module.state_dict())

    def state_dict(self):
        """Return what has been noted."""
        return {
            "epoch": self.epoch,
            "score": self._score,
            "n_idle": self._n_idle,
            "weights": self._weights,
        }

    def load_state_dict(self, state):
        """Go on from what `state_dict` returned."""
        self.epoch, self._score = state["epoch"], state["score"]
        self._n_idle, self._weights = state["n_idle"], state["weights"]

    def restore(self, module):
        """Put the best weights back into the module."""
        module.load_state_dict(self._weights)
