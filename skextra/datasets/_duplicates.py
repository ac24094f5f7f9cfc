"""Group images that are nearly the same, so that no split parts them."""

from numbers import Real

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from sklearn.utils import check_array

from skextra._sklearn import Interval, validate_params

_SIDE = 32
_PIXELS_PER_BLOCK = 2**20
_ROWS_PER_BLOCK = 1024
# Unit vectors of 1024 float32 numbers have products right to about a millionth.
_MARGIN = 1e-6
# A thumbnail whose pixels, scaled to 1, vary less than this varies by rounding alone.
_FLAT = 1e-5


@validate_params(
    {
        "images": ["array-like"],
        "threshold": [Interval(Real, 0, 1, closed="right")],
    },
    prefer_skip_nested_validation=True,
)
def near_duplicate_groups(images, *, threshold=0.95):
    """Group images whose thumbnails correlate.

    Two images are near duplicates where their gray 32x32 thumbnails have a Pearson correlation of
    at least `threshold`; a change of brightness or contrast therefore does not part them. A group
    is all images that a chain of near duplicates connects, so that images of different groups are
    never near duplicates. Given as ``groups`` to :class:`~sklearn.model_selection.GroupKFold` or
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
        Where `images` has another number of dimensions, no image or pixel, or pixels that are not
        finite numbers.

    See Also
    --------
    load_image_folder : Load images from a folder.

    Notes
    -----
    A thumbnail's pixel is the mean of the area that it covers. Images smaller than 32x32 are
    enlarged.

    An image that is all of one brightness correlates with none, its variance being 0. Constant
    images of the same brightness make a group; one of another brightness is in another group.

    Correlations are products of blocks of standardised float32 thumbnails, right to about 1e-6;
    pairs that miss the threshold by less than that are near duplicates. Time grows with the
    square of `n_samples`; the memory needed beside the images is 4 KiB an image and two blocks.
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
    images = check_array(images, allow_nd=True, ensure_2d=False, input_name="images")
    if images.ndim not in (3, 4):
        raise ValueError(
            "images must have shape (n_samples, height, width) or "
            f"(n_samples, height, width, n_channels), got {images.shape}."
        )
    if images.size == 0:
        raise ValueError(f"images of shape {images.shape} have no pixels.")
    thumbnails, flat, brightness = _standardised_thumbnails(images)

    labels = np.arange(len(images))
    for top in range(0, len(images), _ROWS_PER_BLOCK):
        for left in range(top, len(images), _ROWS_PER_BLOCK):
            correlation = (
                thumbnails[top : top + _ROWS_PER_BLOCK]
                @ thumbnails[left : left + _ROWS_PER_BLOCK].T
            )
            row, column = np.nonzero(correlation >= threshold - _MARGIN)
            # Merging now keeps only labels: a list of all pairs could outgrow the images.
            labels = _merge(labels, top + row, left + column)

    flat = np.flatnonzero(flat)
    _, first, same = np.unique(brightness[flat], return_index=True, return_inverse=True)
    labels = _merge(labels, flat, flat[first[same]])
    return _number_by_first_appearance(labels)


def _standardised_thumbnails(images):
    """Thumbnails with mean 0 and length 1, as float32 of shape (n_samples, 1024).

    Also returns which are flat (their rows are 0) and the mean brightness of each.
    """
    n_samples, height, width = images.shape[:3]
    dtype = np.result_type(images.dtype, np.float32)
    rows, columns = _area_weights(height, dtype), _area_weights(width, dtype)
    thumbnails = np.empty((n_samples, _SIDE * _SIDE), dtype=np.float32)
    flat = np.empty(n_samples, dtype=bool)
    brightness = np.empty(n_samples, dtype=np.float32)
    step = max(1, _PIXELS_PER_BLOCK // (height * width))
    for start in range(0, n_samples, step):
        block = slice(start, start + step)
        gray = _to_gray(images[block], dtype)
        # Relative to its first pixel a constant image is exactly 0, and a large offset does not
        # drown a small contrast in rounding.
        offset = gray[:, :1, :1].copy()
        gray -= offset
        # All rows in one product: a product per image would pay for starting threads each time.
        narrow = (gray.reshape(-1, width) @ columns.T).reshape(len(gray), height, _SIDE)
        small = (rows @ narrow).reshape(len(gray), -1)
        brightness[block] = offset.ravel() + small.mean(axis=1)
        # Scaled to 1, so that squares neither overflow nor vanish.
        largest = np.abs(small).max(axis=1, keepdims=True)
        small /= np.where(largest == 0, 1, largest)
        small -= small.mean(axis=1, keepdims=True)
        length = np.linalg.norm(small, axis=1)
        flat[block] = length <= _FLAT * _SIDE
        small[flat[block]] = 0
        thumbnails[block] = small / np.where(flat[block], 1, length)[:, None]
    return thumbnails, flat, brightness


def _to_gray(images, dtype):
    """Mean over channels, as a new floating-point array of shape (n_samples, height, width)."""
    if images.ndim == 3:
        return images.astype(dtype)
    gray = images[..., 0].astype(dtype)
    for channel in range(1, images.shape[3]):
        gray += images[..., channel]
    gray /= images.shape[3]
    return gray


def _area_weights(length, dtype):
    """Matrix (32, length) that averages ``length`` pixels over 32 stretches of equal length."""
    edges = np.linspace(0, length, _SIDE + 1)
    pixels = np.arange(length)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return (np.clip(overlap, 0, None) * (_SIDE / length)).astype(dtype)


def _merge(labels, left, right):
    """Labels after images ``left[k]`` and ``right[k]`` have come into one group for each k."""
    pairs = (np.ones(len(left), dtype=bool), (labels[left], labels[right]))
    graph = coo_array(pairs, shape=(len(labels), len(labels)))
    return connected_components(graph, directed=False)[1][labels]


def _number_by_first_appearance(labels):
    _, first, label = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(first), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    return rank[label]
