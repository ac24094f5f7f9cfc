"""Learning-rate schedules of torch, by name."""

import difflib
import math

from torch.optim import lr_scheduler

_STEP_EVERY_BATCH = ("OneCycleLR", "CyclicLR", "CosineAnnealingWarmRestarts")


def make_schedule(scheduler, net, n_epochs, batches):
    """Return the schedule that a name, a callable or None stands for.

    Names whose class cannot do without arguments get those that fit the length of the training.
    """
    if scheduler is None:
        return None
    if not isinstance(scheduler, str):
        return Schedule(scheduler(net.optimizer_))
    n_updates, warm_up = n_epochs * batches.n_batches, net.recipe["warm_up"]
    has_momentum = not {"momentum", "betas"}.isdisjoint(net.optimizer_.defaults)
    arguments = {
        "OneCycleLR": {
            # Groups of weights may have rates of their own.
            "max_lr": [group["lr"] for group in net.optimizer_.param_groups],
            "total_steps": n_updates,
            "cycle_momentum": net.recipe["cycle_momentum"] and has_momentum,
            # torch divides by zero where the rate would rise for exactly one update.
            "pct_start": warm_up if warm_up * n_updates != 1 else 0.0,
        },
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
