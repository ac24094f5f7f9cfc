"""Learning-rate schedules of torch, by name."""

import difflib
import math

from torch import optim
from torch.optim import lr_scheduler

_STEP_EVERY_BATCH = ("OneCycleLR", "CyclicLR", "CosineAnnealingWarmRestarts")
# What these do is in the functions or schedules that they are given.
_NEED_ARGUMENTS = ("LambdaLR", "MultiplicativeLR", "SequentialLR", "ChainedScheduler")


def make_schedule(scheduler, net, n_epochs, batches):
    """Return the schedule that a name, a callable or None stands for.

    Schedules by name get arguments that fit the length of the training.
    """
    if scheduler is None:
        return None
    if not isinstance(scheduler, str):
        return Schedule(scheduler(net.optimizer_))
    factory = find_in_torch(lr_scheduler, "lr_scheduler", scheduler)
    if scheduler in _NEED_ARGUMENTS:
        raise ValueError(
            f"lr_scheduler={scheduler!r} needs functions or schedules of its own. Give a callable "
            f"of the optimizer: lambda optimizer: torch.optim.lr_scheduler.{scheduler}(optimizer, "
            "...)."
        )
    arguments = _arguments(scheduler, net, n_epochs, batches.n_batches)
    return Schedule(factory(net.optimizer_, **arguments))


def _arguments(name, net, n_epochs, n_batches):
    """Return what a schedule of `n_epochs` epochs of `n_batches` updates is given."""
    n_updates, warm_up = n_epochs * n_batches, net.recipe["warm_up"]
    has_momentum = not {"momentum", "betas"}.isdisjoint(net.optimizer_.defaults)
    # Groups of weights may have rates of their own.
    rates = [group["lr"] for group in net.optimizer_.param_groups]
    n_warm_up = max(1, n_epochs // 5)
    return {
        "OneCycleLR": {
            "max_lr": rates,
            "total_steps": n_updates,
            "cycle_momentum": net.recipe["cycle_momentum"] and has_momentum,
            # torch divides by zero where the rate would rise for exactly one update.
            "pct_start": warm_up if warm_up * n_updates != 1 else 0.0,
        },
        "CyclicLR": {
            "base_lr": [rate / 10 for rate in rates],
            "max_lr": rates,
            # Whole cycles of about eight epochs.
            "step_size_up": max(1, math.ceil(n_updates / (2 * math.ceil(n_epochs / 8)))),
            "cycle_momentum": False,
        },
        "ConstantLR": {"total_iters": n_warm_up},
        "LinearLR": {"total_iters": n_warm_up},
        "PolynomialLR": {"total_iters": n_epochs},
        "CosineAnnealingLR": {"T_max": n_epochs},
        "CosineAnnealingWarmRestarts": {"T_0": n_batches},
        "StepLR": {"step_size": math.ceil(n_epochs / 3)},
        "MultiStepLR": {"milestones": [n_epochs // 2, n_epochs * 3 // 4]},
        "ExponentialLR": {"gamma": 0.95},
        "ReduceLROnPlateau": {"patience": min(10, n_warm_up)},
    }.get(name, {})


def find_in_torch(module, parameter, name):
    """Return the class that a parameter names in a module of torch."""
    base = lr_scheduler.LRScheduler if module is lr_scheduler else optim.Optimizer
    classes = {
        key: value
        for key, value in vars(module).items()
        if isinstance(value, type) and issubclass(value, base) and value is not base
    }
    classes.pop("_LRScheduler", None)  # an old name of the base class
    if name in classes:
        return classes[name]
    raise ValueError(
        f"{parameter}={name!r} is no class of {module.__name__}.{_nearest(name, classes)}"
    )


def _nearest(name, classes):
    """Return a question whether another name was meant, or nothing."""
    known = {key.lower(): key for key in sorted(classes)}
    plain = name.lower().replace("_", "").replace("-", "").replace(" ", "")
    near = difflib.get_close_matches(plain, known, n=1)
    near = near or [key for key in known if plain and (plain in key or key in plain)]
    return f" Did you mean {known[near[0]]!r}?" if near else ""


class Schedule:
    """A torch learning-rate schedule, stepped once a batch or once an epoch as it expects."""

    def __init__(self, schedule):
        self._schedule = schedule
        self._every_batch = type(schedule).__name__ in _STEP_EVERY_BATCH
        self._takes_loss = isinstance(schedule, lr_scheduler.ReduceLROnPlateau)

    def state_dict(self):
        """Return what the schedule has come to."""
        return self._schedule.state_dict()

    def load_state_dict(self, state):
        """Go on from what `state_dict` returned."""
        self._schedule.load_state_dict(state)

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
