"""The skorch net and its training: weighted loss, batches, schedule, epochs."""

import contextlib
import copy
import difflib
import math
import threading
from dataclasses import dataclass

import numpy as np
import skorch
import torch
from torch import optim
from torch.nn import functional
from torch.optim import lr_scheduler

# torch has one default generator a process. Fits in threads of one process take turns, so that
# each draws the sequence of its own seed.
_GENERATOR_LOCK = threading.RLock()

_STEP_EVERY_BATCH = ("OneCycleLR", "CyclicLR", "CosineAnnealingWarmRestarts")


@contextlib.contextmanager
def private_generator(state_or_seed, device):
    """Run torch's default generators from a seed or state, then put back what was there.

    Parameters
    ----------
    state_or_seed : int or tensor
        A seed, or what this context manager's `get_state` returned at the end of another run.
    device : torch.device
        The accelerator whose generator is kept as well.

    Yields
    ------
    get_state : callable
        Returns the state of the CPU generator.
    """
    devices = [device] if device.type == "cuda" else []
    with _GENERATOR_LOCK, torch.random.fork_rng(devices=devices):
        if isinstance(state_or_seed, torch.Tensor):
            torch.default_generator.set_state(state_or_seed)
        else:
            torch.default_generator.manual_seed(state_or_seed)
            if devices:
                torch.cuda.manual_seed(state_or_seed)
        yield torch.default_generator.get_state


@dataclass
class Batches(torch.utils.data.Dataset):
    """Whole batches, drawn by index from tensors held in memory.

    It stands in for dataset and loader at once: nothing is collated row by row, which for small
    images costs more than the network.
    """

    images: torch.Tensor
    codes: torch.Tensor
    weights: torch.Tensor
    batch_size: int
    to_input: object  # callable: stored batch -> floating-point batch
    augment: object  # callable or None: floating-point batch -> the same, changed at random
    device: torch.device

    def __len__(self):
        return len(self.images)

    @property
    def n_batches(self):
        """Updates of the weights in an epoch."""
        return math.ceil(len(self) / self.batch_size)

    def __iter__(self):
        # Parts of nearly equal size: no lonely last row, which batch norm could not take.
        for index in torch.randperm(len(self)).tensor_split(self.n_batches):
            batch = self.to_input(self.images[index].to(self.device))
            if self.augment is not None:
                batch = self.augment(batch)
            yield batch, (self.codes[index].to(self.device), self.weights[index].to(self.device))


class TrainingNet(skorch.NeuralNet):
    """A skorch net whose loss weighs the rows and whose batches come ready-made."""

    _schedule = None

    def __init__(self, *args, label_smoothing=0.0, **kwargs):
        super().__init__(*args, **kwargs)
        self.label_smoothing = label_smoothing

    def get_iterator(self, dataset, training=False):
        """Return the batches themselves: they are an iterable already."""
        return dataset

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Return the weighted mean cross-entropy; the weights have mean 1 over all rows."""
        codes, weights = y_true
        losses = functional.cross_entropy(
            y_pred, codes, reduction="none", label_smoothing=self.label_smoothing
        )
        return (losses * weights).mean()

    def train_step(self, batch, **fit_params):
        """Update the weights once, then the schedule."""
        step = super().train_step(batch, **fit_params)
        if self._schedule is not None:
            self._schedule.after_update()
        return step

    def train_epoch(self, batches, schedule=None):
        """Go once through the batches and return the mean loss a row."""
        self._schedule = schedule
        try:
            self.fit_loop(batches, epochs=1)
        finally:
            self._schedule = None  # a net that is pickled carries no schedule
        steps = self.history[-1].pop("batches")  # it grows without bound and would be pickled
        losses = [step["train_loss"] for step in steps]
        if not np.isfinite(losses).all():
            first_bad = int(np.flatnonzero(~np.isfinite(losses))[0])
            raise FloatingPointError(
                f"The loss is {losses[first_bad]} in epoch {len(self.history)}, batch "
                f"{first_bad + 1} of {len(losses)}. Most likely learning_rate={self.lr} is too "
                "large for these images: try a tenth of it."
            )
        loss = float(np.average(losses, weights=[step["train_batch_size"] for step in steps]))
        if schedule is not None:
            schedule.after_epoch(loss)
        return loss


def build_net(module, recipe, device):
    """Return an initialised skorch net around `module`, trained as `recipe_` says."""
    optimizer = recipe["optimizer"]
    if isinstance(optimizer, str):
        optimizer = find_in_torch(optim, "optimizer", optimizer)
    net = TrainingNet(
        module.to(device),
        criterion=torch.nn.CrossEntropyLoss,
        label_smoothing=recipe["label_smoothing"],
        optimizer=optimizer,
        optimizer__weight_decay=recipe["weight_decay"],
        lr=recipe["learning_rate"],
        max_epochs=recipe["max_epochs"],
        batch_size=recipe["batch_size"],
        train_split=None,
        callbacks="disable",
        device=device,
        verbose=0,
    )
    return net.initialize()


def make_schedule(scheduler, net, n_epochs, batches):
    """Return the schedule that a name, a callable or None stands for.

    Names whose class cannot do without arguments get those that fit the length of the training.
    """
    if scheduler is None:
        return None
    if not isinstance(scheduler, str):
        return Schedule(scheduler(net.optimizer_))
    arguments = {
        "OneCycleLR": {"max_lr": net.lr, "total_steps": n_epochs * batches.n_batches},
        "CosineAnnealingLR": {"T_max": n_epochs},
        "CosineAnnealingWarmRestarts": {"T_0": batches.n_batches},
        "StepLR": {"step_size": math.ceil(n_epochs / 3)},
        "MultiStepLR": {"milestones": [n_epochs // 2, n_epochs * 3 // 4]},
        "ExponentialLR": {"gamma": 0.95},
    }
    factory = find_in_torch(lr_scheduler, "lr_scheduler", scheduler)
    return Schedule(factory(net.optimizer_, **arguments.get(scheduler, {})))


def find_in_torch(module, parameter, name):
    """Return the class that a parameter names in a module of torch."""
    found = getattr(module, name, None)
    if isinstance(found, type):
        return found
    classes = sorted(key for key, value in vars(module).items() if isinstance(value, type))
    near = difflib.get_close_matches(name, classes, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ValueError(f"{parameter}={name!r} is no class of {module.__name__}.{hint}")


class Schedule:
    """A torch learning-rate schedule, stepped once a batch or once an epoch as it expects."""

    def __init__(self, schedule):
        self._schedule = schedule
        self._every_batch = type(schedule).__name__ in _STEP_EVERY_BATCH
        self._takes_loss = isinstance(schedule, lr_scheduler.ReduceLROnPlateau)

    def after_update(self):
        """Step a schedule that moves with every batch."""
        if self._every_batch:
            self._schedule.step()

    def after_epoch(self, loss):
        """Step a schedule that moves once an epoch."""
        if self._takes_loss:
            self._schedule.step(loss)
        elif not self._every_batch:
            self._schedule.step()


def merge_repeats(rows, codes, weights):
    """Drop rows of weight 0, merge equal rows of one class and sort what is left.

    Weighting a row by 2 and giving it twice then lead to the same training set, and so to the
    same network, in whatever order the rows came.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features)
        Images or features, one a row.
    codes : ndarray of shape (n_samples,), dtype int64
        Class of each row.
    weights : ndarray of shape (n_samples,), dtype float64
        Weight of each row.

    Returns
    -------
    index : ndarray of shape (n_unique,)
        One row of `rows` for each distinct pair of row and class.
    weights : ndarray of shape (n_unique,)
        The sum of the weights of the rows that are merged.
    """
    kept = np.flatnonzero(weights > 0)
    rows = np.ascontiguousarray(rows[kept])
    as_bytes = rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))).ravel()
    _, first, group = np.unique(as_bytes, return_index=True, return_inverse=True)
    pairs, first, pair = np.unique(
        np.column_stack([codes[kept], group]), axis=0, return_index=True, return_inverse=True
    )
    return kept[first], np.bincount(pair.ravel(), weights=weights[kept], minlength=len(pairs))


def hold_out(codes, fraction, seed):
    """Return the indices of a training and a validation part, classes in proportion.

    Every class with two rows or more gives at least one to each part, a class with one row gives
    it to training: StratifiedShuffleSplit would refuse such small classes.
    """
    random_state = np.random.RandomState(seed)
    held_out = []
    for code in np.unique(codes):
        members = random_state.permutation(np.flatnonzero(codes == code))
        n_held_out = min(max(1, round(fraction * len(members))), len(members) - 1)
        held_out.append(members[:n_held_out])
    held_out = np.sort(np.concatenate(held_out))
    if len(held_out) == 0:
        raise ValueError(
            f"early_stopping=True found no class with two different rows to hold one out of "
            f"(n_samples={len(codes)}). Give more rows or early_stopping=False."
        )
    return np.setdiff1d(np.arange(len(codes)), held_out), held_out


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

    def restore(self, module):
        """Put the best weights back into the module."""
        module.load_state_dict(self._weights)


def logits(net, transform, rows, block=256):
    """Return the network's outputs for rows, block by block, as float64 (n_samples, n_outputs)."""
    module = net.module_.eval()
    with torch.inference_mode():
        outputs = [
            module(transform.to_input(transform.load(rows[start : start + block]).to(net.device)))
            for start in range(0, len(rows), block)
        ]
        return torch.cat(outputs).double().cpu().numpy()
