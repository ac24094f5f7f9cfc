"""Occlusion: how the probability of a class falls where a part of the image is hidden."""

import numpy as np

_IMAGES_PER_BLOCK = 256


def occlusion(predict_proba, images, codes, *, patch_size=None, stride=None):
    """Return the mean fall of a class's probability over the patches that cover each pixel.

    Parameters
    ----------
    predict_proba : callable
        Takes images and returns probabilities of shape (n_samples, n_classes).
    images : ndarray of shape (n_samples, height, width[, channels])
        Images.
    codes : ndarray of shape (n_samples,)
        Index of the class to explain for each image.
    patch_size : int, default=None
        Side of the square patch in pixels; None takes a fifth of the shorter side.
    stride : int, default=None
        Step between patches in pixels; None takes a third of `patch_size`.

    Returns
    -------
    ndarray of shape (n_samples, height, width), dtype float64
        Positive where hiding lowers the probability, negative where it raises it.
    """
    height, width = images.shape[1:3]
    patch = patch_size or max(1, round(min(height, width) / 5))
    step = stride or max(1, patch // 3)
    corners = [
        (row, left) for row in _starts(height, patch, step) for left in _starts(width, patch, step)
    ]
    maps = np.empty(images.shape[:3])
    for index, (image, code) in enumerate(zip(images, codes, strict=True)):
        whole = predict_proba(image[np.newaxis])[0, code]
        gray = image.mean(axis=(0, 1)).astype(image.dtype)
        fall, covered = np.zeros((height, width)), np.zeros((height, width))
        for start in range(0, len(corners), _IMAGES_PER_BLOCK):
            block = corners[start : start + _IMAGES_PER_BLOCK]
            hidden = np.repeat(image[np.newaxis], len(block), axis=0)
            for copy, (top, left) in zip(hidden, block, strict=True):
                copy[top : top + patch, left : left + patch] = gray
            falls = whole - predict_proba(hidden)[:, code]
            for (top, left), value in zip(block, falls, strict=True):
                fall[top : top + patch, left : left + patch] += value
                covered[top : top + patch, left : left + patch] += 1
        maps[index] = fall / np.maximum(covered, 1)
    return maps


def _starts(length, patch, step):
    """First pixels of the patches along one side; the last patch ends at the edge."""
    last = max(0, length - patch)
    return sorted({*range(0, last, step), last})
