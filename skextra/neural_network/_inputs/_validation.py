"""What `fit` and `predict` ask of X, y and the parameters that stand together."""

from numbers import Integral

import numpy as np
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import column_or_1d, validate_data

from skextra._sklearn import check_sample_weight
from skextra.neural_network._inputs._images import pixels_of, shape_of_rows


def check_rows(estimator, X, y="no_validation", *, reset):
    """Return X as rows (n_samples, n_features), and y with it where it is given."""
    image_shape = pixels_of(X)
    expected = None if reset else estimator.image_shape_
    if expected is not None and image_shape not in (None, expected):
        raise ValueError(
            f"X holds images of shape {image_shape}, but {type(estimator).__name__} was fitted on "
            f"images of shape {expected} (height, width, channels)."
        )
    if image_shape is not None:
        X = np.asarray(X).reshape(len(X), int(np.prod(image_shape)))
    elif (
        expected is not None
        and getattr(X, "shape", None) == expected[:2]
        and X.shape[1] != estimator.n_features_in_
    ):
        raise ValueError(
            f"X has the shape {X.shape} of one image; a batch of one image has the shape "
            f"{(1, *X.shape)}: give X[np.newaxis]."
        )
    if isinstance(y, str):
        return validate_data(estimator, X, reset=reset)
    X, y = validate_data(estimator, X, y, reset=reset)
    if reset:
        estimator.image_shape_ = image_shape or shape_of_rows(X.shape[1], estimator.image_shape)
    return X, y


def check_training_set(estimator, X, y, sample_weight, *, reset):
    """Return X as rows, y as a vector of labels and a weight for each row."""
    rows, y = check_rows(estimator, X, y, reset=reset)
    check_classification_targets(y)
    y = column_or_1d(y, warn=True)
    weights = check_sample_weight(sample_weight, rows, dtype=np.float64, ensure_non_negative=True)
    return rows, y, weights


def check_checkpoint(estimator):
    """Refuse to store a fit whose random numbers could not be drawn again."""
    if estimator.checkpoint is None or isinstance(estimator.random_state, Integral):
        return
    raise ValueError(
        f"checkpoint={estimator.checkpoint!r} needs an integer random_state, or the fit that goes "
        f"on would not be the one that stopped; got random_state={estimator.random_state!r}."
    )
