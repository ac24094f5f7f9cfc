"""Hypothesis strategies: small classification problems with weights."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

# Hundredths: sums of them round, and squares of their differences do not vanish.
VALUES = st.integers(-1000, 1000).map(lambda number: number / 100)


@st.composite
def problems(draw, *, missing=False, max_samples=30):
    """Rows X, labels y of two to four classes (each at least twice) and weights."""
    n_classes = draw(st.integers(2, 4))
    n_samples = draw(st.integers(2 * n_classes, max_samples))
    n_features = draw(st.integers(1, 5))
    X = draw(hnp.arrays(np.float64, (n_samples, n_features), elements=VALUES))
    if missing:
        holes = draw(hnp.arrays(bool, X.shape))
        holes[: 2 * n_classes] = False  # every class has two values of every feature
        X[holes] = np.nan
    y = np.resize(np.arange(n_classes), n_samples)
    weights = draw(hnp.arrays(np.int64, n_samples, elements=st.integers(0, 3)))
    weights[: 2 * n_classes] += 1
    return X, y, weights.astype(np.float64)


@st.composite
def partitions(draw, n_samples):
    """Split range(n_samples), shuffled, into one to five parts, none of them empty."""
    order = np.array(draw(st.permutations(range(n_samples))))
    cuts = draw(st.sets(st.integers(1, n_samples - 1), max_size=4))
    return np.split(order, sorted(cuts))
