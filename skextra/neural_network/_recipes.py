"""What ``"auto"`` means: the recipe of each architecture, all in one place.

To change how an architecture is trained, change its line at the end of this file.
"""

from dataclasses import asdict, dataclass, replace
from math import ceil

from skextra.neural_network._training._runtime import multiplies_bfloat16

SMALL_SIDE = 32  # pixels: networks on such images are small, and so are the things in them


@dataclass(frozen=True)
class Recipe:
    """How an architecture is trained unless a parameter says otherwise."""

    image_size: int = 128
    max_epochs: int = 25
    batch_size: int = 32
    learning_rate: float = 1e-4
    small_learning_rate: float = 1e-3  # for images of at most SMALL_SIDE pixels a side
    weight_decay: float = 0.01
    optimizer: str = "AdamW"
    lr_scheduler: str | None = None
    dropout: float = 0.0
    label_smoothing: float = 0.0
    augmentation: str | None = None
    # No parameter sets what follows.
    min_updates: int = 200  # of the weights, however small the training set
    warm_up: float = 0.3  # share of the training in which OneCycleLR raises the rate
    cycle_momentum: bool = True  # whether OneCycleLR lowers the momentum where the rate is high
    decay_norms: bool = True  # whether weight decay reaches biases and batch norms as well
    weight_averaging: float = 0.0  # decay an update of the averaged weights that predict; 0: none
    standardise_images: bool = False  # give each image mean 0 and standard deviation 1
    flip_at_prediction: bool = False  # average the logits of an image and its mirror image
    mixed_precision: bool = False  # train in bfloat16 where the CPU has instructions for it
    temperature: float = 1.0  # divides the logits of predictions: smoothed labels make them small

    def resolve(self, chosen, *, n_samples, size, are_features, device):
        """Return the settings of a training: `chosen`, with each "auto" filled in.

        Four rules look at the data. Images of at most 32 pixels a side learn at the rate for small
        images, in float32, and are not augmented: a mirrored or cut digit is another digit.
        Neither are features, which are no images. A set so small that the recipe's epochs would
        be under `min_updates` gets more epochs. The mirror image is asked only where training has
        mirrored. The temperature belongs to the recipe's label smoothing, and goes with it.
        """
        is_small = max(size) <= SMALL_SIDE
        automatic = asdict(self)
        automatic["mixed_precision"] &= not is_small and multiplies_bfloat16(device)
        automatic["learning_rate"] = self.small_learning_rate if is_small else self.learning_rate
        del automatic["small_learning_rate"], automatic["min_updates"]
        if is_small or are_features:
            automatic["augmentation"] = None
        if are_features:
            automatic["standardise_images"] = automatic["mixed_precision"] = False
        given = {
            name: value
            for name, value in chosen.items()
            if not (isinstance(value, str) and value == "auto")
        }
        settings = {**automatic, **given, **_carried_by(given)}
        if "max_epochs" not in given:
            n_batches = ceil(n_samples / settings["batch_size"])
            settings["max_epochs"] = max(self.max_epochs, ceil(self.min_updates / n_batches))
        if settings["label_smoothing"] != self.label_smoothing:
            settings["temperature"] = 1.0
        settings["flip_at_prediction"] &= isinstance(settings["augmentation"], str)
        return settings


def _carried_by(given):
    """Return the settings that a partial around an optimizer carries; it decides them."""
    keywords = getattr(given.get("optimizer"), "keywords", {})
    carried = {}
    for keyword, name in (("lr", "learning_rate"), ("weight_decay", "weight_decay")):
        if keyword not in keywords:
            continue
        carried[name] = keywords[keyword]
        if given.get(name, carried[name]) != carried[name]:
            raise ValueError(
                f"optimizer carries {keyword}={carried[name]!r}, but {name}={given[name]!r} is "
                f"given as well. Give one of them: leave {name} at 'auto'."
            )
    return carried


REFERENCE = Recipe(dropout=0.5)
BASELINE = Recipe()
MOBILE = Recipe(
    max_epochs=45,
    batch_size=64,
    learning_rate=3e-3,
    small_learning_rate=3e-3,
    weight_decay=0.05,
    lr_scheduler="OneCycleLR",
    dropout=0.2,
    label_smoothing=0.05,
    augmentation="scan",
    min_updates=100,
    warm_up=0.2,
    decay_norms=False,
    weight_averaging=0.995,
    standardise_images=True,
    flip_at_prediction=True,
    temperature=0.7,
)
RESIDUAL = replace(
    MOBILE,
    max_epochs=34,
    learning_rate=6e-3,
    optimizer="Muon",
    cycle_momentum=False,
    mixed_precision=True,
    temperature=0.55,
)
