"""What `fit` and `predict` ask of X, y and the parameters that stand together."""

import os
from numbers import Integral

import numpy as np
import torch
from PIL.Image import Image
from scipy.sparse import issparse
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data

from skextra._sklearn import check_sample_weight
from skextra.neural_network._inputs._images import pixels_of, shape_of_rows

_COLOURS = (1, 2, 3, 4)  # channels that an image may have: gray, gray and alpha, RGB, RGBA


def check_rows(estimator, X, y="no_validation", *, reset):
    """Return X as rows (n_samples, n_features), and y with it where it is given."""
    X = _as_array(X)
    image_shape = pixels_of(X)
    expected = None if reset else estimator.image_shape_
    if image_shape is not None:
        _refuse_channels_first(X.shape, expected or _told(estimator.image_shape))
        _refuse_other_shape(estimator, X.shape, image_shape, expected)
        X = np.asarray(X).reshape(len(X), int(np.prod(image_shape)))
    elif (
        expected is not None
        and getattr(X, "shape", None) == expected[:2]
        and X.shape[1] != estimator.n_features_in_
    ):
        raise ValueError(_one_image(X.shape))
    if isinstance(y, str):
        return validate_data(estimator, X, reset=reset)
    X, y = validate_data(estimator, X, _as_labels(y), reset=reset)
    if reset:
        estimator.image_shape_ = image_shape or shape_of_rows(X.shape[1], estimator.image_shape)
    return X, y


def _as_array(X):
    """Return what people pass as images as something with a shape, or say what to pass."""
    if isinstance(X, torch.utils.data.DataLoader | torch.utils.data.Dataset):
        raise TypeError(
            f"X is a {type(X).__name__}; give the images as one array of shape (n, height, width) "
            "or (n, height, width, channels), and the labels as y."
        )
    if isinstance(X, dict) and not issparse(X):  # a DOK matrix is a dict
        raise TypeError(
            f"X is a dict with the keys {list(X)[:5]}; give the images as one array, for instance "
            "X['images']."
        )
    if isinstance(X, str | os.PathLike):
        raise TypeError(
            f"X={os.fspath(X)!r} is a path; skextra.datasets.load_image_folder reads a folder of "
            "images, and its .images are what to give here."
        )
    if not isinstance(X, list | tuple) or len(X) == 0:
        return X
    first = X[0]
    if isinstance(first, str | os.PathLike):
        raise TypeError(
            f"X is a list of paths ({os.fspath(first)!r} ...); read the images first, for "
            "instance by skextra.datasets.load_image_folder."
        )
    if isinstance(first, Image):
        X = [np.asarray(image) for image in X]
    elif not isinstance(first, np.ndarray | torch.Tensor) or np.ndim(first) < 2:
        return X
    shapes = sorted({tuple(image.shape) for image in X})
    if len(shapes) > 1:
        raise ValueError(
            f"X has images of different shapes: {', '.join(map(str, shapes[:4]))}. Bring them to "
            "one size and number of channels first, as skextra.datasets.load_image_folder does."
        )
    return np.stack([np.asarray(image) for image in X])


def _told(image_shape):
    """Return the (height, width, channels) that the parameter `image_shape` names, or None."""
    return None if image_shape is None else (*image_shape, 1)[:3]


def _refuse_channels_first(shape, expected):
    """Refuse images with their channels in front, as PyTorch has them."""
    if len(shape) != 4 or shape[1:] == expected:
        return
    transposed = (*shape[2:], shape[1])
    is_plain = shape[1] in _COLOURS and shape[3] not in _COLOURS
    if is_plain if expected is None else transposed == expected:
        raise ValueError(
            f"X has the shape {shape}, with the channels in front of height and width, as PyTorch "
            "has them. Give them last: X.transpose(0, 2, 3, 1). If these really are images of "
            f"{shape[1]}x{shape[2]} pixels and {shape[3]} channels, say so by "
            f"image_shape={shape[1:]}."
        )


def _refuse_other_shape(estimator, shape, image_shape, expected):
    """Refuse images of another shape than was fitted, or than the parameter says."""
    if expected is None:
        told = _told(estimator.image_shape)
        if told not in (None, image_shape):
            raise ValueError(
                f"image_shape={estimator.image_shape} does not fit X, which holds images of shape "
                f"{image_shape} (height, width, channels). Leave it out: it is for flat rows."
            )
    elif image_shape != expected:
        if shape == expected:
            raise ValueError(_one_image(shape))
        raise ValueError(
            f"X holds images of shape {image_shape}, but {type(estimator).__name__} was fitted on "
            f"images of shape {expected} (height, width, channels)."
        )


def _one_image(shape):
    return (
        f"X has the shape {shape} of one image; a batch of one image has the shape "
        f"{(1, *shape)}: give X[np.newaxis]."
    )


def _as_labels(y):
    """Return y, unless it holds one column per class."""
    shape = getattr(y, "shape", ())
    if len(shape) == 2 and shape[1] > 1:
        values = np.asarray(y)
        if values.dtype.kind in "biuf" and ((values == 0) | (values == 1)).all():
            raise ValueError(
                f"y has the shape {tuple(shape)}, one column per class (one-hot). Give one label "
                "per image: y.argmax(axis=1)."
            )
    return y


def check_training_set(estimator, X, y, sample_weight, *, reset):
    """Return X as rows, y as a vector of labels and a weight for each row."""
    rows, y = check_rows(estimator, X, y, reset=reset)
    check_classification_targets(y)
    y = column_or_1d(y, warn=True)
    weights = check_sample_weight(sample_weight, rows, dtype=np.float64, ensure_non_negative=True)
    return rows, y, weights


def check_class_weight(class_weight, classes):
    """Refuse weights of classes that no training could follow."""
    if not isinstance(class_weight, dict):
        return
    unknown = [label for label in class_weight if label not in classes.tolist()]
    if unknown:
        raise ValueError(
            f"class_weight has weights for {unknown}, but the classes are {classes.tolist()}."
        )
    for label, weight in class_weight.items():
        if not 0 <= weight < np.inf:  # NaN compares false
            raise ValueError(
                f"class_weight[{label!r}]={weight!r} must be a finite number of at least 0."
            )


def check_checkpoint(estimator):
    """Refuse to store a fit whose random numbers could not be drawn again."""
    if estimator.checkpoint is None or isinstance(estimator.random_state, Integral):
        return
    raise ValueError(
        f"checkpoint={estimator.checkpoint!r} needs an integer random_state, or the fit that goes "
        f"on would not be the one that stopped; got random_state={estimator.random_state!r}."
    )
