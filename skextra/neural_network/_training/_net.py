"""The skorch net: batches, weighted loss, optimizer, averaged weights."""

import copy
import inspect
import math
from dataclasses import dataclass

import numpy as np
import skorch
import torch
from torch import optim
from torch.nn import functional

from skextra.neural_network._training._muon import Muon
from skextra.neural_network._training._runtime import threads_for
from skextra.neural_network._training._schedules import find_in_torch


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
    to_pixels: object  # callable: stored batch -> floating-point batch from -1 to 1
    augment: object  # callable or None: floating-point batch -> the same, changed at random
    to_input: object  # callable: floating-point batch -> input of the network
    device: torch.device

    def __len__(self):
        return len(self.images)

    @property
    def n_batches(self):
        """Updates of the weights in an epoch."""
        return math.ceil(len(self) / self.batch_size)

    @property
    def pixels_a_batch(self):
        """Places that a batch has, colours not counted."""
        return min(len(self), self.batch_size) * self.images.shape[2] * self.images.shape[3]

    def __iter__(self):
        # Parts of nearly equal size: no lonely last row, which batch norm could not take.
        for index in torch.randperm(len(self)).tensor_split(self.n_batches):
            pixels = self.to_pixels(self.images[index].to(self.device))
            if self.augment is not None:
                pixels = self.augment(pixels)
            targets = self.codes[index].to(self.device), self.weights[index].to(self.device)
            yield self.to_input(pixels), targets


class TrainingNet(skorch.NeuralNet):
    """A skorch net whose loss weighs the rows and whose batches come ready-made."""

    _schedule = None
    _position = ""
    averaged = None

    def __init__(self, *args, recipe, n_classes, **kwargs):
        super().__init__(*args, **kwargs)
        self.recipe = recipe
        self.n_classes = n_classes

    @property
    def predictor(self):
        """The module that predicts: that of the averaged weights while there is one."""
        return self.module_ if self.averaged is None else self.averaged.module

    def initialize_optimizer(self, triggered_directly=None):
        """Make the recipe's optimizer of the module's weights."""
        self.optimizer_ = make_optimizer(self.module_, self.recipe)
        return self

    def get_iterator(self, dataset, training=False):
        """Return the batches themselves: they are an iterable already."""
        return dataset

    def infer(self, x, **fit_params):
        """Return the module's outputs, computed in bfloat16 where the recipe says so."""
        # A context for each step: the weights that it has cast are kept until it ends.
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe["mixed_precision"]):
            outputs = super().infer(x, **fit_params)
        return outputs.float() if self.recipe["mixed_precision"] else outputs

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Return the weighted mean cross-entropy; the weights have mean 1 over all rows."""
        codes, weights = y_true
        if y_pred.shape != (len(codes), self.n_classes):
            raise ValueError(
                f"architecture={type(self.module_).__name__} returned outputs of shape "
                f"{tuple(y_pred.shape)} for {len(codes)} images of {self.n_classes} classes. It "
                f"must return logits of shape {(len(codes), self.n_classes)}."
            )
        losses = functional.cross_entropy(
            y_pred, codes, reduction="none", label_smoothing=self.recipe["label_smoothing"]
        )
        return (losses * weights).mean()

    def train_step(self, batch, **fit_params):
        """Update the weights once, then their average and the schedule."""
        step = super().train_step(batch, **fit_params)
        if not math.isfinite(loss := step["loss"].item()):
            raise FloatingPointError(self._explain(loss, batch[0]))
        if self.averaged is not None:
            self.averaged.update()
        if self._schedule is not None:
            self._schedule.after_update()
        return step

    def _explain(self, loss, images):
        epoch, n_batches = self._position
        batch = len(self.history[-1]["batches"])
        greatest = float(images.abs().max())
        if math.isfinite(greatest) and greatest < 1e3:
            cause = (
                f"learning_rate={self.lr} is too large for these images: try a tenth of it, or a "
                "schedule that rises slowly (lr_scheduler='OneCycleLR')"
            )
        else:
            cause = (
                f"the images reach {greatest:g} where about 1 is expected: look at their scale "
                "and at what augmentation does"
            )
        return (
            f"The loss is {loss} in epoch {epoch}, batch {batch} of {n_batches}. Most likely "
            f"{cause}."
        )

    def train_epoch(self, batches, schedule=None, epoch=1):
        """Go once through the batches and return the mean loss a row."""
        if self.optimizer_ is None:
            self.initialize_optimizer()
        self._schedule, self._position = schedule, (epoch, batches.n_batches)
        try:
            with threads_for(batches.pixels_a_batch):
                self.fit_loop(batches, epochs=1)
        finally:
            self._schedule = None  # a net that is pickled carries no schedule
        steps = self.history[-1].pop("batches")  # it grows without bound and would be pickled
        losses = [step["train_loss"] for step in steps]
        loss = float(np.average(losses, weights=[step["train_batch_size"] for step in steps]))
        if schedule is not None:
            schedule.after_epoch(loss)
        return loss

    def average_weights(self):
        """Have the averaged weights predict from now on, if the recipe averages them."""
        if self.recipe["weight_averaging"]:
            self.averaged = WeightAverage(self.module_, self.recipe["weight_averaging"])

    def finish(self):
        """Keep what predicts: the optimizer's state is twice as large as the weights."""
        if self.averaged is not None:
            self.module_.load_state_dict(self.averaged.module.state_dict())
            self.averaged = None
        self.optimizer_ = None
        self.module_.zero_grad(set_to_none=True)

    def move_to(self, device):
        """Compute on another device from now on."""
        if torch.device(self.device) == device:
            return
        self.device = str(device)
        self.module_.to(device)
        if self.optimizer_ is not None:
            # Loading puts each tensor of the state where its weights are.
            self.optimizer_.load_state_dict(self.optimizer_.state_dict())

    def __getstate__(self):
        """Return a state that any machine can load: all tensors lie on the CPU."""
        net = object.__new__(type(self))  # copy.copy would ask for this state
        net.__dict__.update(self.__dict__)
        if torch.device(self.device).type != "cpu":
            # In one go, so that the copied optimizer holds the weights of the copied module.
            net.module_, net.optimizer_ = copy.deepcopy((self.module_, self.optimizer_))
            net.averaged = None
            net.move_to(torch.device("cpu"))
        net.module = None  # it is module_, and would be stored twice
        return super(TrainingNet, net).__getstate__()

    def __setstate__(self, state):
        """Take over a state of `__getstate__`."""
        super().__setstate__(state)
        self.module = self.module_


class WeightAverage:
    """Exponential moving average of a module's weights and buffers.

    Its memory grows to `decay` with the number of updates, so that a short training is not
    averaged with its random beginning.
    """

    def __init__(self, module, decay):
        self.module = copy.deepcopy(module).requires_grad_(False)
        self.decay, self.n_updates = decay, 0
        averages, values = self.module.state_dict(), module.state_dict()
        self._pairs = list(zip(averages.values(), values.values(), strict=True))

    @torch.no_grad()
    def update(self):
        """Move the average towards the present weights of the module."""
        self.n_updates += 1
        share = 1 - min(self.decay, (1 + self.n_updates) / (10 + self.n_updates))
        for average, present in self._pairs:
            if average.is_floating_point():
                average.lerp_(present, share)
            else:
                average.copy_(present)


def build_net(module, recipe, device, n_classes):
    """Return an initialised skorch net around `module`, trained as `recipe_` says."""
    net = TrainingNet(
        # Channels last: convolutions on a CPU read all channels of a place at once.
        module.to(device=device, memory_format=torch.channels_last),
        recipe=recipe,
        n_classes=n_classes,
        criterion=torch.nn.CrossEntropyLoss,
        optimizer=recipe["optimizer"],
        lr=recipe["learning_rate"],
        max_epochs=recipe["max_epochs"],
        batch_size=recipe["batch_size"],
        train_split=None,
        callbacks="disable",
        device=str(device),
        verbose=0,
    )
    return net.initialize()


def make_optimizer(module, recipe):
    """Return the optimizer that a recipe names, for the weights of a module."""
    optimizer = recipe["optimizer"]
    if isinstance(optimizer, str):
        # torch's Muon takes no convolutions.
        optimizer = Muon if optimizer == "Muon" else find_in_torch(optim, "optimizer", optimizer)
    arguments = {"lr": recipe["learning_rate"]}
    known = inspect.signature(optimizer).parameters
    if isinstance(recipe["optimizer"], str) and "fused" in known:
        arguments["fused"] = True  # one pass over the weights instead of ten
    if "weight_decay" not in known:
        return optimizer(module.parameters(), **arguments)
    arguments["weight_decay"] = recipe["weight_decay"]
    if recipe["decay_norms"]:
        return optimizer(module.parameters(), **arguments)
    weights = [parameter for parameter in module.parameters() if parameter.ndim > 1]
    others = [parameter for parameter in module.parameters() if parameter.ndim <= 1]
    groups = [{"params": weights}, {"params": others, "weight_decay": 0.0}]
    return optimizer(groups, **arguments)
