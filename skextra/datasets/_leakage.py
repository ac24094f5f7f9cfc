"""Which test images have a near duplicate in training."""

from __future__ import annotations

from numbers import Real
from typing import TYPE_CHECKING, Any

import numpy as np

from skextra._sklearn import Interval, validate_params
from skextra.datasets._duplicates import MARGIN
from skextra.datasets._thumbnails import check_images, standardised_thumbnails

if TYPE_CHECKING:
    from typing import Self

    from matplotlib.figure import Figure
    from numpy.typing import ArrayLike, NDArray

    from skextra._types import AxesLike, Names

_ROWS_PER_BLOCK = 1024
_PAIRS_PER_TEXT = 10


@validate_params(
    {
        "train": ["array-like", dict],
        "test": ["array-like", dict],
        "threshold": [Interval(Real, 0, 1, closed="right")],
    },
    prefer_skip_nested_validation=True,
)
def leakage_report(
    train: ArrayLike | dict[str, Any],
    test: ArrayLike | dict[str, Any],
    *,
    threshold: float = 0.95,
) -> LeakageReport:
    """Find the test images that have a near duplicate in training.

    A score on such images rewards memory. The report counts them, shows each with its most alike
    training image, and says which test images are free of twins, so that they can be scored apart.

    Parameters
    ----------
    train, test : array-like of shape (n_samples, height, width) or \
            (n_samples, height, width, n_channels), or Bunch
        The training and test images, of any numeric dtype and each part of any one size. What
        :func:`load_image_folder` returns will do as well, and brings file names into the report.

    threshold : float, default=0.95
        Least correlation of near duplicates, above 0 and at most 1.

    Returns
    -------
    LeakageReport
        The counts, the pairs and their correlations; printed as text, drawn by its ``plot``.

    Raises
    ------
    ValueError
        If images have another number of dimensions, no image or pixel, images of several
        sizes, or pixels that are not finite numbers.

    See Also
    --------
    near_duplicate_groups : Groups for a split that parts no near duplicates.

    Notes
    -----
    Near duplicates are those of :func:`near_duplicate_groups`: gray 32x32 thumbnails with a
    Pearson correlation of at least `threshold`, or images that are all of one brightness, the
    same in both. Time grows with the product of the two numbers of images; the memory needed
    beside the images is 4 KiB per image and a block.

    Examples
    --------
    >>> import numpy as np
    >>> from skextra.datasets import leakage_report
    >>> a, b, c = np.random.default_rng(0).random((3, 64, 64))
    >>> leakage_report(train=[a, b], test=[c, 0.5 * b + 0.2])
    1 of 2 test images (50.0 %) has a near duplicate among 2 training images (correlation of
    at least 0.95).
      test 1 ~ training 1 (1.0000)
    """
    (train, train_names), (test, test_names) = (
        _images_and_names(part, name) for part, name in ((train, "train"), (test, "test"))
    )
    nearest, correlation = _most_alike(train, test)
    leaked = correlation >= threshold - MARGIN
    index = np.flatnonzero(leaked)
    order = index[np.argsort(-correlation[index], kind="stable")]
    return LeakageReport(
        leaked=leaked,
        pairs=np.column_stack([order, nearest[order]]),
        correlations=np.minimum(correlation[order], 1),
        threshold=float(threshold),
        images=(train, test),
        names=(train_names, test_names),
    )


class LeakageReport:
    """Test images with a near duplicate in training.

    Returned by :func:`leakage_report`, printed as text and drawn by `plot`.

    Parameters
    ----------
    leaked : ndarray of shape (n_test,) and dtype bool
        Which test images have a near duplicate in training.
    pairs : ndarray of shape (n_leaked, 2) and dtype int64
        The index of each such test image and of the training image most alike, the most alike
        pair first.
    correlations : ndarray of shape (n_leaked,) and dtype float64
        The correlation of each pair.
    threshold : float
        The least correlation of near duplicates.
    images : tuple of (ndarray, ndarray)
        The training and the test images.
    names : tuple of (sequence of str, sequence of str)
        What to call the training and the test images.

    Attributes
    ----------
    n_train, n_test, n_leaked : int
        Number of training images, of test images, and of test images with a near duplicate.
    figure_ : matplotlib.figure.Figure
        The figure that `plot` drew into.
    axes_ : ndarray of shape (2, n_shown) of matplotlib.axes.Axes
        Test images above, training images below.

    See Also
    --------
    leakage_report : Make a report.

    Examples
    --------
    >>> import numpy as np
    >>> from skextra.datasets import leakage_report
    >>> a, b, c = np.random.default_rng(0).random((3, 64, 64))
    >>> report = leakage_report(train=[a, b], test=[c, b])
    >>> report.n_leaked, report.leaked.tolist(), report.pairs.tolist()
    (1, [False, True], [[1, 1]])
    """

    n_train: int
    n_test: int
    n_leaked: int
    figure_: Figure
    axes_: np.ndarray

    def __init__(
        self,
        *,
        leaked: NDArray[np.bool_],
        pairs: NDArray[np.int64],
        correlations: NDArray[np.float64],
        threshold: float,
        images: tuple[np.ndarray, np.ndarray],
        names: tuple[Names, Names],
    ) -> None:
        self.leaked = leaked
        self.pairs = pairs
        self.correlations = correlations
        self.threshold = threshold
        self._images = images
        self._names = names
        self.n_train, self.n_test = (len(part) for part in images)
        self.n_leaked = len(pairs)

    def __repr__(self) -> str:
        share = 100 * self.n_leaked / self.n_test
        lines = [
            f"{self.n_leaked} of {self.n_test} test images ({share:.1f} %) "
            f"{'has' if self.n_leaked == 1 else 'have'} a near duplicate among {self.n_train} "
            f"training images (correlation of at least {self.threshold:g})."
        ]
        train_names, test_names = self._names
        for (test, train), correlation in zip(
            self.pairs[:_PAIRS_PER_TEXT], self.correlations, strict=False
        ):
            lines.append(f"  {test_names[test]} ~ {train_names[train]} ({correlation:.4f})")
        if self.n_leaked > _PAIRS_PER_TEXT:
            lines.append(f"  and {self.n_leaked - _PAIRS_PER_TEXT} more")
        return "\n".join(lines)

    def plot(self, *, n_pairs: int = 6, ax: AxesLike | None = None) -> Self:
        """Draw pairs, each test image above its training image.

        Parameters
        ----------
        n_pairs : int, default=6
            Most pairs to draw. They are taken evenly from the most to the least alike.
        ax : matplotlib.axes.Axes or array-like of them, default=None
            Where to draw: an axes to divide, or two for each pair. None makes a figure.

        Returns
        -------
        self : LeakageReport
            This object, with the figure and axes that were drawn into.

        Raises
        ------
        ValueError
            If there is no pair to draw.
        ImportError
            If matplotlib is not installed.
        """
        from skextra._drawing import Captions, picture_grid, show_image

        if not self.n_leaked:
            raise ValueError("No test image has a near duplicate in training: nothing to draw.")
        n_shown = min(n_pairs, self.n_leaked)
        shown = np.linspace(0, self.n_leaked - 1, n_shown).round().astype(int)
        titles = [[f"correlation {self.correlations[pair]:.3f}"] for pair in shown]
        heading = f"{self.n_leaked} of {self.n_test} test images have a near duplicate in training"
        captions = Captions([titles, [[]] * n_shown], ["test", "training"], heading)
        self.figure_, self.axes_, _ = picture_grid(
            ax, captions, cell=(1.8, 1.8), caller="LeakageReport"
        )
        for column, pair in zip(self.axes_.T, shown, strict=True):
            test, train = self.pairs[pair]
            show_image(column[0], self._images[1][test])
            show_image(column[1], self._images[0][train])
        return self


def _images_and_names(part, name):
    """Images of an array or a Bunch, and what to call each."""
    if not isinstance(part, dict):
        images = check_images(part, name)
        return images, _Numbered("training" if name == "train" else name)
    if "images" not in part:
        raise ValueError(
            f"{name} has no 'images', only {sorted(part)}. Give images or what load_image_folder "
            "returns."
        )
    images = check_images(part["images"], name)
    names = part.get("filenames")
    return images, _Numbered("training" if name == "train" else name) if names is None else names


class _Numbered:
    """Names "test 0", "test 1", ... for images without file names."""

    def __init__(self, name):
        self._name = name

    def __getitem__(self, index):
        return f"{self._name} {index}"


def _most_alike(train, test):
    """For each test image the most alike training image and their correlation, block by block."""
    train, train_flat, train_brightness = standardised_thumbnails(train)
    test, test_flat, test_brightness = standardised_thumbnails(test)
    nearest = np.zeros(len(test), dtype=np.int64)
    best = np.full(len(test), -np.inf)
    for top in range(0, len(test), _ROWS_PER_BLOCK):
        rows = slice(top, top + _ROWS_PER_BLOCK)
        for left in range(0, len(train), _ROWS_PER_BLOCK):
            correlation = test[rows] @ train[left : left + _ROWS_PER_BLOCK].T
            column = correlation.argmax(axis=1)
            found = correlation[np.arange(len(column)), column]
            better = found > best[rows]
            nearest[rows][better] = left + column[better]
            best[rows][better] = found[better]
    # Constant images correlate with none: those of one brightness are the same image.
    flat = np.flatnonzero(train_flat)
    levels, first = np.unique(train_brightness[flat], return_index=True)
    for index in np.flatnonzero(test_flat):
        place = np.searchsorted(levels, test_brightness[index])
        if place < len(levels) and levels[place] == test_brightness[index]:
            nearest[index], best[index] = flat[first[place]], 1
    return nearest, best
