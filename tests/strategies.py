"""Hypothesis strategies: small classification problems with weights, and states of matrices."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import sparse

# Hundredths: sums of them round, and squares of their differences do not vanish.
VALUES = st.integers(-1000, 1000).map(lambda number: number / 100)


# What whole numbers between these bounds are stored in without a change.
DTYPES = {
    np.float64: (-1000, 1000), np.float32: (-1000, 1000), np.int64: (-1000, 1000),
    np.int32: (-1000, 1000), np.int16: (-1000, 1000), np.int8: (-128, 127),
    np.uint8: (0, 255), np.uint16: (0, 60_000), np.uint64: (0, 1000), np.bool_: (0, 1),
}  # fmt: skip
LABELS = [
    np.array([-100, -3, 0, 127], dtype=np.int8), np.array([0, 1, 200, 255], dtype=np.uint8),
    np.array([-30_000, 0, 1, 30_000], dtype=np.int16), np.array([4, 5, 6, 7]),
    np.array([-(2**62), 0, 1, 2**62]), np.array([0, 1, 2**63, 2**63 + 5], dtype=np.uint64),
    np.array([-1.0, 0.0, 1.0, 2.0]), np.array(["a", "b", "cc", "d"]),
    np.array(["a", "b", "cc", "d"], dtype=object),
]  # fmt: skip


@st.composite
def typed_problems(draw, *, max_samples=40):
    """Rows X of any dtype, dense, CSR or CSC, labels y of any type, and the rows in float64."""
    dtype = draw(st.sampled_from(list(DTYPES)))
    labels = draw(st.sampled_from(LABELS))
    n_samples, n_features = draw(st.integers(8, max_samples)), draw(st.integers(1, 5))
    elements = st.integers(*DTYPES[dtype]) | st.just(0)
    X = draw(hnp.arrays(np.int64, (n_samples, n_features), elements=elements)).astype(dtype)
    layout = draw(st.sampled_from([np.asarray, sparse.csr_array, sparse.csc_array]))
    return layout(X), labels[np.resize(np.arange(4), n_samples)], X.astype(np.float64)


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


# Sums and squares of these, and of halves of them, are exact in float64 and in float32.
EXACT = st.integers(-64, 64).map(lambda number: number / 4)
SPARSE_DTYPES = [np.float64, np.float32, np.int64, np.int8, np.uint8, np.bool_, np.longdouble]


@st.composite
def sparse_twins(draw, *, missing=True):
    """A sparse matrix in any state that SciPy allows, and the dense array that it stands for.

    Entries are stored twice or three times, in any order, with zeros among them; indices are int32
    or int64, rows and columns may be empty, and the arrays may be longer than what is stored.
    """
    shape = draw(st.integers(8, 24)), draw(st.integers(1, 6))
    dtype = draw(st.sampled_from(SPARSE_DTYPES))
    X = draw(hnp.arrays(np.float64, shape, elements=EXACT | st.just(0.0)))
    X[:, draw(st.integers(0, shape[1] - 1))] *= draw(st.booleans())
    X[draw(st.integers(0, shape[0] - 1))] *= draw(st.booleans())
    if np.dtype(dtype).kind == "f" and missing and draw(st.booleans()):
        X[draw(hnp.arrays(bool, shape, elements=st.sampled_from([False] * 9 + [True])))] = np.nan
    with np.errstate(invalid="ignore"):
        X = (np.abs(X) if np.dtype(dtype).kind == "u" else X).astype(dtype)
    return draw(sparse_states(X)), X


@st.composite
def sparse_states(draw, X):
    """A CSR or CSC array or matrix that stands for the dense array X, in any state."""
    by_rows, old = draw(st.booleans()), draw(st.booleans())
    index = draw(st.sampled_from([np.int32, np.int64]))
    seed, repeats = draw(st.integers(0, 2**32 - 1)), draw(st.integers(1, 3))
    shuffled, zeros = draw(st.booleans()), draw(st.booleans())
    rng = np.random.default_rng(seed)
    data, indices, indptr = [], [], [0]
    for line in X if by_rows else X.T:
        stored = np.flatnonzero((line != 0) | (rng.random(len(line)) < 0.3 * zeros))
        values, places = line[stored], stored
        for _ in range(repeats - 1):  # x = x + 0, or 0 + x
            again = rng.random(len(stored)) < 0.5
            values = np.concatenate([values, np.zeros(again.sum(), dtype=X.dtype)])
            places = np.concatenate([places, stored[again]])
        if shuffled:
            order = rng.permutation(len(places))
            values, places = values[order], places[order]
        data.append(values)
        indices.append(places)
        indptr.append(indptr[-1] + len(places))
    spare = draw(st.sampled_from([0, 3]))
    data = np.concatenate([*data, np.ones(spare, dtype=X.dtype)])
    indices = np.concatenate([*indices, np.zeros(spare, dtype=int)]).astype(index)
    layout = {
        (True, True): sparse.csr_matrix, (True, False): sparse.csr_array,
        (False, True): sparse.csc_matrix, (False, False): sparse.csc_array,
    }[by_rows, old]  # fmt: skip
    state = layout((data, indices, np.array(indptr, dtype=index)), shape=X.shape)
    state.indices, state.indptr = state.indices.astype(index), state.indptr.astype(index)
    return state
