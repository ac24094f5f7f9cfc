"""Group images that are nearly the same, so that no split parts them."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from skextra._sklearn import Interval, validate_params
from skextra.datasets._thumbnails import check_images, standardised_thumbnails

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_ROWS_PER_BLOCK = 1024
# Unit vectors of 1024 float32 numbers have products right to about a millionth.
MARGIN = 1e-6


@validate_params(
    {
        "images": ["array-like"],
        "threshold": [Interval(Real, 0, 1, closed="right")],
    },
    prefer_skip_nested_validation=True,
)
def near_duplicate_groups(images: ArrayLike, *, threshold: float = 0.95) -> NDArray[np.int64]:
    """Group images whose thumbnails correlate.

    Two images are near duplicates if their gray 32x32 thumbnails have a Pearson correlation of
    at least `threshold`. Copies of another brightness, contrast, size or compression are found,
    copies that are moved by half a pixel of the thumbnail are mostly not: the user guide has a
    table. A group is all images that a chain of near duplicates connects, so that images of
    different groups are never near duplicates. Given as ``groups`` to
    :class:`~sklearn.model_selection.GroupKFold` or
    :class:`~sklearn.model_selection.StratifiedGroupKFold`, no image is tested by a model that was
    trained on nearly the same one.

    Parameters
    ----------
    images : array-like of shape (n_samples, height, width) or \
            (n_samples, height, width, n_channels)
        Images of any numeric dtype. Channels are averaged.

    threshold : float, default=0.95
        Least correlation of near duplicates, above 0 and at most 1.

    Returns
    -------
    groups : ndarray of shape (n_samples,) and dtype int64
        The group of each image, numbered from 0 in order of first appearance.

    Raises
    ------
    ValueError
        If `images` has another number of dimensions, no image or pixel, images of several
        sizes, or pixels that are not finite numbers.

    See Also
    --------
    load_image_folder : Load images from a folder.
    leakage_report : Which test images have a near duplicate in training.

    Notes
    -----
    A thumbnail's pixel is the mean of the area that it covers. Images smaller than 32x32 are
    enlarged.

    An image that is all of one brightness correlates with none, its variance being 0. Constant
    images of the same brightness make a group; one of another brightness is in another group.

    Correlations are products of blocks of standardised float32 thumbnails, right to about 1e-6;
    pairs that miss the threshold by less than that are near duplicates. Time grows with the
    square of `n_samples`; the memory needed beside the images is 4 KiB per image and two blocks.
    The groups are the connected components [1]_ of the graph of near duplicates.

    References
    ----------
    .. [1] J. Hopcroft and R. Tarjan, "Algorithm 447: efficient algorithms for graph manipulation",
       Communications of the ACM 16(6), 1973. :doi:`10.1145/362248.362272`

    Examples
    --------
    >>> import numpy as np
    >>> from skextra.datasets import near_duplicate_groups
    >>> a, b = np.random.default_rng(0).random((2, 64, 64))
    >>> near_duplicate_groups([a, b, 0.5 * a + 0.2, b[::-1]])
    array([0, 1, 0, 2])
    """
    images = check_images(images)
    thumbnails, flat, brightness = standardised_thumbnails(images)

    labels = np.arange(len(images))
    for top in range(0, len(images), _ROWS_PER_BLOCK):
        above = slice(top, top + _ROWS_PER_BLOCK)
        for left in range(top, len(images), _ROWS_PER_BLOCK):
            beside = slice(left, left + _ROWS_PER_BLOCK)
            if np.all(labels[above] == labels[top]) and np.all(labels[beside] == labels[top]):
                continue  # one group already
            correlation = thumbnails[above] @ thumbnails[beside].T
            row, column = np.nonzero(correlation >= threshold - MARGIN)
            # Merging now keeps only labels: a list of all pairs could outgrow the images.
            labels = _merge(labels, top + row, left + column)

    flat = np.flatnonzero(flat)
    _, first, same = np.unique(brightness[flat], return_index=True, return_inverse=True)
    labels = _merge(labels, flat, flat[first[same]])
    return _number_by_first_appearance(labels)


def _merge(labels, left, right):
    """Labels after images ``left[k]`` and ``right[k]`` have come into one group for each k."""
    left, right = labels[left], labels[right]
    apart = left != right
    if not apart.any():
        return labels
    pairs = (np.ones(np.sum(apart), dtype=bool), (left[apart], right[apart]))
    graph = coo_array(pairs, shape=(len(labels), len(labels)))
    return connected_components(graph, directed=False)[1][labels]


def _number_by_first_appearance(labels):
    _, first, label = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[label]
