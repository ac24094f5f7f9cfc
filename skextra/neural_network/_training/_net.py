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

from skextra.neural_network._training._frozen import frozen_layers, trained_weights
from skextra.neural_network._training._muon import Muon
from skextra.neural_network._training._norms import (
    MIN_STREAMED_ROWS,
    fast_beginning,
    norms_of,
    recompute,
)
from skextra.neural_network._training._runtime import threads_for
from skextra.neural_network._training._schedules import find_in_torch


@dataclass
class Batches(torch.utils.data.Dataset):
    """Whole batches, drawn by index from tensors held in memory, or from X.

    It stands in for dataset and loader at once: nothing is collated row by row, which for small
    images costs more than the network.
    """

    images: object  # a tensor, or `StreamedImages`: an index gives a tensor
    codes: torch.Tensor
    weights: torch.Tensor
    batch_size: int
    to_pixels: object  # callable: stored batch -> floating-point batch from -1 to 1
    augment: object  # callable or None: floating-point batch -> the same, changed at random
    to_input: object  # callable: floating-point batch -> input of the network
    device: torch.device
    memory_format: torch.memory_format = torch.channels_last

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
            yield self._as_input(pixels), targets

    def sample(self, n_rows, batch_size):
        """Yield inputs of at most so many rows, evenly spaced, without any random change.

        The rows are sorted by class: each batch takes every so manieth, and so has all classes.
        """
        n_rows = min(n_rows, len(self))
        index = torch.arange(n_rows) * len(self) // n_rows
        n_batches = math.ceil(n_rows / batch_size)
        for start in range(n_batches):
            stored = self.images[index[start::n_batches]].to(self.device)
            yield self._as_input(self.to_pixels(stored))

    def _as_input(self, pixels):
        return in_format(self.to_input(pixels), self.memory_format)


def in_format(images, memory_format):
    """Return images in a memory format.

    Of one channel both formats are the same memory: only a copy has the strides that make a
    convolution put out the format that is asked for.
    """
    if memory_format == torch.channels_last:
        return images.contiguous(memory_format=memory_format)
    return images.clone(memory_format=memory_format)


class TrainingNet(skorch.NeuralNet):
    """A skorch net whose loss weighs the rows and whose batches come ready-made."""

    _schedule = None
    _position = ""
    _batches = None  # the training set, while a training lasts
    _evaluated = None  # the module that predicts, until the next update
    _folded = None  # see `_prediction.for_inference`
    _has_learnt = False  # whether there was an update
    _look = None  # see `threads_for`, while an epoch lasts
    _frozen = ()  # layers that stay in evaluation mode, while an epoch lasts
    is_streamed = False  # whether more rows may come, in other calls
    averaged = None
    memory_format = torch.channels_last

    def __init__(self, *args, recipe, n_classes, **kwargs):
        super().__init__(*args, **kwargs)
        self.recipe = recipe
        self.n_classes = n_classes

    @property
    def has_learnt(self):
        """Whether the weights were updated at least once."""
        return self._has_learnt

    @property
    def _takes_running_statistics(self):
        return self.is_streamed and len(self._batches) < MIN_STREAMED_ROWS

    @property
    def predictor(self):
        """The module that predicts: in evaluation mode, its batch norms fit its weights.

        While a training lasts it is no module that learns: that of the averaged weights, or a
        copy if there are batch norms.
        """
        if self._batches is None:
            return self.module_
        if self._evaluated is None:
            module = self.module_ if self.averaged is None else self.averaged.module
            names = norms_of(self.module_)
            if names and not self._takes_running_statistics:
                module = copy.deepcopy(module) if self.averaged is None else module
                with threads_for(self._batches.pixels_a_batch):
                    recompute(module, names, self._batches)
            self._evaluated = (module,)  # in a tuple: skorch takes modules as its own
        return self._evaluated[0]

    def initialize_optimizer(self, triggered_directly=None):
        """Make the recipe's optimizer of the module's weights."""
        self.optimizer_ = make_optimizer(self.module_, self.recipe)
        return self

    def get_iterator(self, dataset, training=False):
        """Return the batches themselves: they are an iterable already."""
        return dataset

    def infer(self, x, **fit_params):
        """Return the module's outputs, computed in bfloat16 where the recipe says so."""
        for layer in self._frozen:  # skorch puts the whole module in training mode
            layer.training = False
        # A context for each step: the weights that it has cast are kept until it ends.
        with torch.autocast("cpu", torch.bfloat16, enabled=self.recipe["mixed_precision"]):
            outputs = super().infer(x, **fit_params)
        if self.recipe["mixed_precision"] and isinstance(outputs, torch.Tensor):
            return outputs.float()
        return outputs

    def get_loss(self, y_pred, y_true, X=None, training=False):
        """Return the weighted mean cross-entropy; the weights have mean 1 over all rows."""
        codes, weights = y_true
        if not self._has_learnt:
            check_outputs(self.module_, y_pred, (len(codes), self.n_classes))
        losses = functional.cross_entropy(
            y_pred, codes, reduction="none", label_smoothing=self.recipe["label_smoothing"]
        )
        return (losses * weights).mean()

    def train_step(self, batch, **fit_params):
        """Update the weights once, then their average and the schedule."""
        if self._look is not None:
            self._look()
        names = norms_of(self.module_) if self.is_streamed else []
        with fast_beginning(self.module_, names):
            step = super().train_step(batch, **fit_params)
        if not math.isfinite(loss := step["loss"].item()):
            raise FloatingPointError(self._explain(loss, batch[0]))
        self._has_learnt, self._evaluated = True, None
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
        self._batches, self._frozen = batches, frozen_layers(self.module_)
        self._schedule, self._position = schedule, (epoch, batches.n_batches)
        n_epochs = len(self.history)
        try:
            with threads_for(batches.pixels_a_batch) as self._look:
                self.fit_loop(batches, epochs=1)
        except BaseException:
            del self.history[n_epochs:]  # an epoch that did not end
            raise
        finally:
            # A net that is pickled carries none of these.
            self._schedule, self._frozen, self._look = None, (), None
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

    def end_training(self, *, keep_optimizer=False):
        """Leave the weights and statistics that predict in the module, in evaluation mode.

        The optimizer's state is twice as large as the weights: only `partial_fit` keeps it.
        """
        predictor = self.predictor
        if predictor is not self.module_:
            self.module_.load_state_dict(predictor.state_dict())
        self.averaged = self._batches = self._evaluated = None
        if not keep_optimizer:
            self.optimizer_ = None
        self.module_.zero_grad(set_to_none=True)
        self.module_.eval()

    @property
    def optimizer_fits(self):
        """Whether the optimizer has the weights to train: the user may freeze or thaw some."""
        known = {id(value) for group in self.optimizer_.param_groups for value in group["params"]}
        trained = {id(value) for value in self.module_.parameters() if value.requires_grad}
        return known == trained

    def take_recipe(self, recipe):
        """Train as another recipe says from now on, with what the optimizer has come to."""
        before, self.recipe = self.recipe, recipe
        self.lr = recipe["learning_rate"]
        if self.optimizer_ is None:
            return
        has_same_weights = self.optimizer_fits
        names = ("optimizer", "learning_rate", "weight_decay")
        if has_same_weights and all(before[name] == recipe[name] for name in names):
            return
        state = self.optimizer_.state_dict()["state"]
        self.initialize_optimizer()
        if has_same_weights and before["optimizer"] == recipe["optimizer"]:
            groups = self.optimizer_.state_dict()["param_groups"]
            self.optimizer_.load_state_dict({"state": state, "param_groups": groups})

    def copy_to_train(self):
        """Return a net with weights and optimizer of its own.

        Networks that were published never change: who predicts by one needs no lock.
        """
        net = object.__new__(type(self))  # copy.copy would ask for the state of a pickle
        net.__dict__.update(self.__dict__)
        # In one go, so that the copied optimizer holds the weights of the copied module.
        net.module_, net.optimizer_ = copy.deepcopy((self.module_, self.optimizer_))
        net.module, net.history = net.module_, copy.copy(self.history)
        net._evaluated = net._folded = None
        return net

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
        net = self
        if torch.device(self.device).type != "cpu":
            net = self.copy_to_train()
            net.averaged = None
            net.move_to(torch.device("cpu"))
        state = super(TrainingNet, net).__getstate__()
        for name in ("module", "_batches", "_evaluated", "_folded"):  # module: it is module_
            state.pop(name, None)
        return state

    def __setstate__(self, state):
        """Take over a state of `__getstate__`."""
        super().__setstate__(state)
        self.module = self.module_


def check_outputs(module, outputs, shape):
    """Refuse what a module returns if it is no logits of a shape, with what it should return."""
    returned = f"architecture={type(module).__name__} returned"
    if not isinstance(outputs, torch.Tensor):
        kind = type(outputs).__name__
        if isinstance(outputs, tuple | list):
            kind += f" of {len(outputs)}"
        raise TypeError(
            f"{returned} a {kind}. It must return one tensor, the logits, of shape {shape}: wrap "
            "it in a module that returns them alone."
        )
    if outputs.shape != shape:
        raise ValueError(
            f"{returned} outputs of shape {tuple(outputs.shape)} for {shape[0]} images of "
            f"{shape[1]} classes. It must return logits of shape {shape}."
        )
    values = outputs.detach()
    if (values < 0).any() or (values > 1).any():
        return
    sums = values.sum(dim=1)
    layers = [layer for layer in module.modules() if not any(layer.children())]
    if torch.allclose(sums, torch.ones_like(sums), atol=1e-3):
        what = "probabilities, which sum to 1"
    elif layers and isinstance(layers[-1], torch.nn.Sigmoid):
        what = "what a sigmoid puts out, between 0 and 1"
    else:
        return
    raise ValueError(
        f"{returned} {what}. It must return logits, any numbers: leave out the softmax or sigmoid "
        "at its end, the loss takes it."
    )


class WeightAverage:
    """Exponential moving average of what training changes in a module: weights and batch norms.

    Frozen weights and all other buffers are copied. Its memory grows to `decay` with the number
    of updates, so that a short training is not averaged with its random beginning.
    """

    def __init__(self, module, decay):
        self.module = copy.deepcopy(module).requires_grad_(False)
        self.decay, self.n_updates = decay, 0
        averages, norms = self.module.state_dict(), set(norms_of(module))
        trained = {name for name, value in module.named_parameters() if value.requires_grad}
        self._pairs = [
            (averages[name], value, name in trained or name.rpartition(".")[0] in norms)
            for name, value in module.state_dict().items()
        ]

    @torch.no_grad()
    def update(self):
        """Move the average towards the present weights of the module."""
        self.n_updates += 1
        share = 1 - min(self.decay, (1 + self.n_updates) / (10 + self.n_updates))
        for average, present, is_trained in self._pairs:
            if is_trained and average.is_floating_point():
                average.lerp_(present, share)
            else:
                average.copy_(present)


def build_net(module, recipe, device, n_classes, *, channels_last=True):
    """Return an initialised skorch net around `module`, trained as `recipe` says.

    Convolutions on a CPU are faster channels last, where they read all channels of a place at
    once; a module that views its activations as flat rows needs channels first.
    """
    memory_format = torch.channels_last if channels_last else torch.contiguous_format
    net = TrainingNet(
        module.to(device=device, memory_format=memory_format),
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
    net.memory_format = memory_format
    return net.initialize()


def make_optimizer(module, recipe):
    """Return the optimizer that a recipe names, for the weights of a module that are not frozen.

    A callable gets what it has a parameter for and does not carry itself.
    """
    optimizer, trained = recipe["optimizer"], trained_weights(module)
    if isinstance(optimizer, str):
        # torch's Muon takes no convolutions.
        optimizer = Muon if optimizer == "Muon" else find_in_torch(optim, "optimizer", optimizer)
    known = inspect.signature(optimizer).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
    arguments = {
        name: recipe[setting]
        for name, setting in (("lr", "learning_rate"), ("weight_decay", "weight_decay"))
        if name in known or (takes_any and name == "lr")
    }
    if isinstance(recipe["optimizer"], str) and "fused" in known:
        arguments["fused"] = True  # one pass over the weights instead of ten
    if "weight_decay" not in known or recipe["decay_norms"]:
        return optimizer(trained, **arguments)
    weights = [parameter for parameter in trained if parameter.ndim > 1]
    others = [parameter for parameter in trained if parameter.ndim <= 1]
    groups = [{"params": weights}, {"params": others, "weight_decay": 0.0}]
    return optimizer(groups, **arguments)
