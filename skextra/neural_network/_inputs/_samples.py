"""The rows to train on: repeats merged, weights, and a part held out."""

import numpy as np
from sklearn.utils.class_weight import compute_class_weight

from skextra.neural_network._inputs._rows import ranks


def weigh(rows, codes, weights, class_weight, classes):
    """Return the index of the rows to train on and their weights, which have mean 1."""
    if class_weight is not None:
        kept = weights > 0
        present = np.unique(codes[kept])
        factors = np.zeros(len(classes))
        factors[present] = compute_class_weight(
            class_weight,
            classes=classes[present],
            y=classes[codes[kept]],
            sample_weight=weights[kept],
        )
        weights = weights * factors[codes]
    index, weights = merge_repeats(rows, codes, weights)
    return index, weights / weights.mean()


def merge_repeats(rows, codes, weights):
    """Drop rows of weight 0, merge equal rows of one class and sort what is left.

    Weighting a row by 2 and giving it twice then lead to the same training set, and so to the
    same network, in whatever order the rows came.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features)
        Images or features, one a row.
    codes : ndarray of shape (n_samples,), dtype int64
        Class of each row.
    weights : ndarray of shape (n_samples,), dtype float64
        Weight of each row.

    Returns
    -------
    index : ndarray of shape (n_unique,)
        One row of `rows` for each distinct pair of row and class.
    weights : ndarray of shape (n_unique,)
        The sum of the weights of the rows that are merged.
    """
    kept = np.flatnonzero(weights > 0)
    pairs, first, pair = np.unique(
        np.column_stack([codes[kept], ranks(rows, kept)]),
        axis=0,
        return_index=True,
        return_inverse=True,
    )
    return kept[first], np.bincount(pair.ravel(), weights=weights[kept], minlength=len(pairs))


def hold_out(codes, fraction, seed):
    """Return the indices of a training and a validation part, classes in proportion.

    Every class with two rows or more gives at least one to each part, a class with one row gives
    it to training: StratifiedShuffleSplit would refuse such small classes.
    """
    random_state = np.random.RandomState(seed)
    held_out = []
    for code in np.unique(codes):
        members = random_state.permutation(np.flatnonzero(codes == code))
        n_held_out = min(max(1, round(fraction * len(members))), len(members) - 1)
        held_out.append(members[:n_held_out])
    held_out = np.sort(np.concatenate(held_out))
    if len(held_out) == 0:
        raise ValueError(
            f"early_stopping=True found no class with two different rows to hold one out of "
            f"(n_samples={len(codes)}). Give more rows or early_stopping=False."
        )
    return np.setdiff1d(np.arange(len(codes)), held_out), held_out
