"""Images in axes: rows unfolded, gray or colour, without ticks."""

import numpy as np


def show_image(ax, image):
    """Draw one image without ticks: colour if it has three channels, else gray."""
    if image.ndim == 3 and image.shape[2] not in (3, 4):
        image = image.mean(axis=2)
    if image.dtype == np.uint8:
        lowest, highest = 0, 255
    else:
        lowest, highest = float(image.min()), float(image.max())
    if image.ndim == 3:  # matplotlib wants colours from 0 to 1
        image = (image - lowest) / ((highest - lowest) or 1)
    ax.imshow(image, cmap="gray", vmin=lowest, vmax=highest)
    ax.set(xticks=[], yticks=[])


def as_images(X, image_shape, estimator=None):
    """Return X as images of shape (n_samples, height, width[, channels]).

    Flat rows unfold into `image_shape`, else into the estimator's ``image_shape_``, else into a
    square.
    """
    X = np.asarray(X)
    if X.ndim in (3, 4):
        return X
    if X.ndim != 2:
        raise ValueError(
            f"X must be images of shape (n_samples, height, width[, channels]) or rows of shape "
            f"(n_samples, n_features), got shape {X.shape}."
        )
    n_features = X.shape[1]
    shape = image_shape or getattr(estimator, "image_shape_", None)
    if shape is None:
        side = round(n_features**0.5)
        shape = side, side
    if np.prod(shape) != n_features:
        raise ValueError(
            f"X has {n_features} features per row, which are no image of "
            f"{'x'.join(map(str, shape))} pixels. Give image_shape=(height, width) or "
            "(height, width, channels)."
        )
    return X.reshape(len(X), *shape)
