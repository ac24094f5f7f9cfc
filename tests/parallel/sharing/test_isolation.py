"""What a task changes in place, however small, and who else sees that: nobody."""

import functools
import sys
import threading

import cloudpickle
import numpy as np
import pandas as pd
import pytest
import scipy.sparse
import torch
from joblib import delayed
from sklearn.base import BaseEstimator

from skextra.parallel._messages import TASK, pack, unpack
from skextra.parallel._sharing._store import Store
from skextra.parallel._sharing._unchangeable import are_unchangeable
from tests.parallel.calls import parallel

cloudpickle.register_pickle_by_value(sys.modules[__name__])
pytestmark = pytest.mark.usefixtures("no_segment_is_left")


class Counter(BaseEstimator):
    def __init__(self, start=0):
        self.start = start
        self.seen = []

    def count(self, *args):
        self.seen.append(args)
        return len(self.seen)


def add(x):
    x += 1
    return float(np.asarray(x).sum())


ADDED = {
    "array": np.zeros(10),
    "view": np.zeros((10, 10))[::2],
    "frame": pd.DataFrame({"x": np.zeros(10)}),
    "tensor": torch.zeros(10),
    "bytes of 1 MB": np.zeros(2**20, np.int8),
    "over 1 MB": np.zeros(2**18),
}


@pytest.mark.parametrize("name", ADDED)
@pytest.mark.parametrize("n_tasks", [2, 40])
def test_argument_changed_by_all_tasks_is_fresh_in_each(name, n_tasks):
    value = ADDED[name]
    found = parallel(batch_size=n_tasks)(delayed(add)(value) for _ in range(n_tasks))
    assert len(set(found)) == 1
    assert np.sum(np.asarray(value)) == 0


def grow(*args, **kwargs):
    """Grow every list among the arguments; return how long they are."""
    lists = [*args, *kwargs.values()]
    for value in lists:
        value.append(None)
    return [len(value) for value in lists]


def nested(holder):
    holder["a"][0].append(None)
    return len(holder["a"][0])


def test_lists_in_any_place_are_fresh_in_each_call():
    one, two = [], []
    calls = [delayed(grow)(one, two, third=one) for _ in range(20)]
    calls += [delayed(grow)(two) for _ in range(20)]
    found = parallel(batch_size=40)(calls)
    # Twice the same list within one call stays one list.
    assert found == [[2, 1, 2]] * 20 + [[1]] * 20
    holder = {"a": ([],)}
    assert parallel(batch_size=9)(delayed(nested)(holder) for _ in range(9)) == [1] * 9


def test_method_of_a_shared_object_finds_it_fresh():
    counter = Counter()
    calls = [delayed(counter.count)(i) for i in range(9)]
    assert parallel(batch_size=9)(calls) == [1] * 9
    partial = functools.partial(Counter.count, counter)
    assert parallel(batch_size=9)(delayed(partial)(i) for i in range(9)) == [1] * 9


GLOBAL = []


def grow_global(i):
    GLOBAL.append(i)
    return len(GLOBAL)


def test_global_and_closure_of_a_script_are_fresh_in_each_call():
    enclosed = np.zeros(3)

    def grow_enclosed(i):
        enclosed[:] += 1
        return enclosed[0]

    def grow_default(i, into=[]):  # noqa: B006
        into.append(i)
        return len(into)

    for function in (grow_global, grow_enclosed, grow_default):
        assert parallel(batch_size=9)(delayed(function)(i) for i in range(9)) == [1] * 9


def test_sparse_matrix_changed_by_tasks_is_fresh_in_each():
    def double(matrix):
        matrix.data *= 2
        return matrix.sum()

    matrix = scipy.sparse.csr_array(np.eye(3))
    assert parallel(batch_size=9)(delayed(double)(matrix) for _ in range(9)) == [6.0] * 9


def constant(i):
    return i + LIMIT


LIMIT = 3


def test_calls_that_hold_nothing_changeable_are_read_together():
    for function in (abs, int, np.add, constant, pd.isna, lambda i: constant(i)):
        is_code = function is not np.add
        assert are_unchangeable([(function, (1, "a", None), {"k": 2.0})] * 3) is is_code
    for call in (
        (abs, (np.zeros(3),), {}),
        (abs, (), {"k": []}),
        (grow_global, (1,), {}),
        (Counter().count, (1,), {}),
        (lambda i: grow_global(i), (1,), {}),
    ):
        assert not are_unchangeable([(abs, (1,), {}), call])


def test_data_that_calls_have_in_common_is_pickled_once():
    data = np.arange(10_000.0)
    calls = [(grow, (data, [i]), {}) for i in range(50)]
    message = pack(TASK, calls, Store())
    assert len(message) < 2 * data.nbytes
    read = unpack(bytes(message))
    assert [call[1][1] for call in read] == [[i] for i in range(50)]
    assert read[3][1][0] is not read[4][1][0]


class Locked:
    """Leaves a lock out when it is pickled."""

    def __init__(self):
        self.lock, self.values = threading.Lock(), []

    def __getstate__(self):
        return {"values": self.values}

    def __call__(self, i):
        self.values.append(i)
        return len(self.values)


def test_function_object_that_leaves_parts_out_is_pickled_as_it_says():
    assert parallel(batch_size=9)(delayed(Locked())(i) for i in range(9)) == [1] * 9
    locked = Locked()
    assert parallel(batch_size=9)(delayed(locked)(i) for i in range(9)) == [1] * 9
