import enum
import functools
import math
import pickle
import subprocess
import sys
import threading

import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import Lasso, LogisticRegression, Ridge
from sklearn.metrics import make_scorer
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skextra._fingerprint import Fingerprinter, FingerprintError
from skextra._fingerprint import fingerprint as digest


class Color(enum.Enum):
    RED = 1
    BLUE = 2


def loop():
    items = [1]
    items.append(items)
    return items


VALUES = {
    "none": lambda: None,
    "zero": lambda: 0,
    "huge": lambda: 10**5000,
    "false": lambda: False,
    "float zero": lambda: 0.0,
    "minus zero": lambda: -0.0,
    "nan": lambda: math.nan,
    "text": lambda: "0",
    "bytes": lambda: b"0",
    "list": lambda: [0, 1],
    "tuple": lambda: (0, 1),
    "nested": lambda: [[0], 1],
    "set": lambda: {"a", "b", "c"},
    "frozenset": lambda: frozenset({"a", "b", "c"}),
    "dict": lambda: {"a": 1, "b": [2]},
    "enum": lambda: Color.RED,
    "other enum": lambda: Color.BLUE,
    "loop": loop,
    "array": lambda: np.arange(6.0),
    "2d array": lambda: np.arange(6.0).reshape(2, 3),
    "transposed": lambda: np.arange(6.0).reshape(2, 3).T,
    "fortran": lambda: np.asfortranarray(np.arange(9.0).reshape(3, 3)),
    "c": lambda: np.arange(9.0).reshape(3, 3).T.copy(),
    "int array": lambda: np.arange(6),
    "strings": lambda: np.array(["a", "b"]),
    "objects": lambda: np.array(["a", None, 1], dtype=object),
    "scalar": lambda: np.float64(0),
    "variable strings": lambda: np.array(["a" * 99, "b"], dtype=np.dtypes.StringDType()),
    "other variable strings": lambda: np.array(["c" * 99, "b"], dtype=np.dtypes.StringDType()),
    "dates": lambda: np.array(["2020-01-01"], dtype="datetime64[D]"),
    "masked": lambda: np.ma.masked_array([1, 2], mask=[True, False]),
    "empty": lambda: np.empty((0, 3)),
    "tensor": lambda: torch.arange(6.0),
    "bfloat": lambda: torch.arange(6, dtype=torch.bfloat16),
    "csr": lambda: scipy.sparse.csr_array(np.eye(3)),
    "csc": lambda: scipy.sparse.csc_array(np.eye(3)),
    "frame": lambda: pd.DataFrame({"a": [1, 2], "b": ["x", None]}),
    "other frame": lambda: pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}),
    "categories": lambda: pd.Series(["a", "b"], dtype="category"),
    "series": lambda: pd.Series(["a", "b"]),
    "missing": lambda: pd.Series([1, None], dtype="Int64"),
    "estimator": lambda: LogisticRegression(C=2),
    "other estimator": lambda: LogisticRegression(C=3),
    "pipeline": lambda: make_pipeline(StandardScaler(), GaussianNB()),
    "fitted": lambda: GaussianNB().fit([[0.0], [1.0]], [0, 1]),
    "scorer": lambda: make_scorer(math.dist),
    "partial": lambda: functools.partial(divmod, 7),
    "builtin": lambda: divmod,
    "ufunc": lambda: np.add,
    "class": lambda: Color,
    "lambda": lambda: lambda x: x + 1,
    "other lambda": lambda: lambda x: x + 2,
    "generator": lambda: np.random.default_rng(0),
    "random state": lambda: np.random.RandomState(0),
    "slice": lambda: slice(1, 2),
    "method": lambda: "text".upper,
    "bound": lambda: LogisticRegression(C=2).fit,
}


@pytest.mark.parametrize("name", VALUES)
def test_equal_values_have_equal_digests(name):
    assert digest(VALUES[name]()) == digest(VALUES[name]())


def test_different_values_have_different_digests():
    names = {}
    for name, make in VALUES.items():
        names.setdefault(digest(make()), []).append(name)
    # The same content in another order in memory; either may be taken for the other, or not.
    assert all(len(same) == 1 or set(same) == {"fortran", "c"} for same in names.values())


def test_digests_are_the_same_in_every_process():
    text = """
import numpy, sys
from skextra._fingerprint import FingerprintError
from skextra._fingerprint import fingerprint as digest
from sklearn.linear_model import LogisticRegression
values = [{"a", "b", "c", "d"}, LogisticRegression(), lambda x: x in {"a", "b", "c"}, numpy.eye(3)]
print(digest(values).hex())
"""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", text],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            stdout=subprocess.PIPE,
        )
        for seed in ("1", "2")  # in each, sets have another order
    ]
    outputs = {process.communicate()[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0]
    assert len(outputs) == 1


simple = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary(),
    lambda values: (
        st.lists(values) | st.dictionaries(st.text(), values) | st.tuples(values, values)
    ),
    max_leaves=8,
)


@given(simple, simple)
def test_digests_are_equal_where_the_values_are(first, second):
    assert (digest(first) == digest(second)) == (repr(first) == repr(second))


def test_a_closure_is_what_it_holds():
    def make(offset):
        return lambda x: x + offset

    assert digest(make(1)) == digest(make(1))
    assert digest(make(1)) != digest(make(2))


def test_a_class_is_its_code():
    def make(n):
        class Model:
            @property
            def size(self):
                return n

            @classmethod
            def make(cls):
                return cls()

        return Model

    assert digest(make(1)) == digest(make(1))
    assert digest(make(1)) != digest(make(2))
    assert digest(make(1)()) != digest(make(2)())


def test_using_a_class_does_not_change_it():
    import copy

    class Model:
        pass

    before = digest(Model)
    copy.copy(Model())
    assert digest(Model) == before


class StopAfter:
    """A callback that ends a training early."""

    def __init__(self, n):
        self.n = n

    def setup(self, *args):
        pass

    teardown = on_fit_task_begin = on_fit_task_end = setup


def test_callback_counts_unless_it_only_looks_on(callbacks):
    plain = digest(LogisticRegression())
    assert digest(LogisticRegression().set_callbacks(callbacks.ProgressBar())) == plain
    stopped = [digest(LogisticRegression().set_callbacks(StopAfter(n))) for n in (1, 1, 2)]
    assert stopped[0] == stopped[1]
    assert len({plain, *stopped}) == 3


def test_flags_of_a_sparse_matrix_do_not_count():
    matrix = scipy.sparse.csr_array(np.eye(3))
    before = digest(matrix)
    assert matrix.has_sorted_indices
    assert matrix.has_canonical_format
    assert digest(matrix) == before


def test_time_zones_and_timestamps_count():
    times = pd.date_range("2020-01-01", periods=3)
    zones = [None, "Europe/Berlin", "America/New_York"]
    values = [pd.DataFrame({"t": times.tz_localize(zone)}) for zone in zones]
    values += [pd.Timestamp("2020-01-01", tz=zone) for zone in zones]
    values += [
        pd.Series(times),
        pd.Series(times + pd.Timedelta(1, "s")),
        pd.period_range("2020", periods=3, freq="D"),
    ]
    assert len({digest(value) for value in values}) == len(values)


class Handle:
    def __reduce_ex__(self, protocol):
        raise TypeError("no default __reduce__")


class OwnState(LogisticRegression):
    """Says itself what is worth keeping, as CatBoost's estimators do."""

    def __init__(self, C=1.0):
        super().__init__(C=C)
        self._handle = Handle()

    def __getstate__(self):
        return {"C": self.C}


class NoState(OwnState):
    def __getstate__(self):
        raise TypeError("not now")


class PickledState(LogisticRegression):
    """Keeps a pickle of a part of it, which is another in each process, as skrub's learners do."""

    n_pickles = 0

    def __getstate__(self):
        PickledState.n_pickles += 1
        return super().__getstate__() | {"C": pickle.dumps((self.n_pickles, self.C))}


@pytest.mark.parametrize("kind", [OwnState, NoState, PickledState])
def test_estimator_with_own_state_counts_by_it(kind):
    assert digest(kind(C=2.0)) == digest(kind(C=2.0)) != digest(kind(C=3.0))


class Mapping(dict, BaseEstimator):
    """An estimator that holds more than its attributes."""


class Slotted(BaseEstimator):
    __slots__ = ("hidden",)


def test_clones_have_the_fingerprint_of_their_original():
    fingerprinter = Fingerprinter()
    plain = [
        GaussianNB(var_smoothing=value) for value in (0, 0.0, -0.0, False, "0", None, 1, True)
    ]
    fitted = [GaussianNB().fit([[float(i)], [3.0]], [0, 1]) for i in range(2)]
    mappings, slotted = [Mapping(a=i) for i in range(2)], [Slotted(), Slotted()]
    for number, one in enumerate(slotted):
        one.hidden = number
    estimators = [*plain, *fitted, *mappings, *slotted, Ridge(1.0), Lasso(1.0)]
    for estimator in [*estimators, *map(clone, plain)]:
        assert fingerprinter.clone(estimator) == Fingerprinter().part(estimator)
    found = [fingerprinter.clone(estimator) for estimator in plain]
    assert found == [fingerprinter.clone(clone(estimator)) for estimator in plain]
    assert len(set(found)) == len(plain)


def test_estimator_that_is_a_container_counts_by_its_items():
    assert digest(Mapping(a=0)) == digest(Mapping(a=0)) != digest(Mapping(a=1))


def test_clone_of_class_without_file_counts_what_it_refers_to():
    namespace = {"BaseEstimator": BaseEstimator, "__name__": "__main__", "factor": 1}
    exec(
        "class Scaled(BaseEstimator):\n    def predict(self, X):\n        return factor * X",
        namespace,
    )
    fingerprinter, estimator = Fingerprinter(), namespace["Scaled"]()
    before = fingerprinter.clone(estimator)
    namespace["factor"] = 2
    assert fingerprinter.clone(estimator) != before


def test_fitted_estimator_without_state_is_refused():
    fitted = NoState().fit([[0.0], [1.0]], [0, 1])
    with pytest.raises(FingerprintError, match=r"it is fitted, and its __getstate__ raises"):
        digest(fitted)


def test_data_op_of_skrub_is_refused_with_reason():
    """It has a uuid, by which its environment may refer to it."""
    data_op = type("DataOp", (), {"__module__": "skrub"})()
    data_op._skrub_impl = None
    with pytest.raises(FingerprintError, match=r"a skrub.DataOp has no .* another uuid in each"):
        digest([data_op])


def test_what_cannot_be_pickled_has_no_digest():
    with pytest.raises(TypeError, match="cannot pickle"):
        digest([threading.Lock()])
