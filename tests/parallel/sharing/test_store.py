"""Large arguments and results, seen through calls of joblib: shared, writable, and gone after."""

import os
import sys
import threading
import time
from pathlib import Path

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from joblib import Parallel, delayed, parallel_config
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB

from skextra.parallel._sharing._store import Store
from tests.parallel.calls import ask, parallel, pss_megabytes

cloudpickle.register_pickle_by_value(sys.modules[__name__])

MEGABYTE = 2**20


rng = np.random.default_rng(0)
ARRAY = rng.random((400, 500))
pytestmark = pytest.mark.usefixtures("no_segment_is_left")


@pytest.mark.parametrize("batch_size", [1, 6])
def test_a_task_may_change_its_array_and_nobody_else_sees_it(batch_size):
    def change(x):
        x += 1
        return x.sum()

    array = np.zeros((400, 500))
    sums = parallel(batch_size=batch_size)(delayed(change)(array) for _ in range(6))
    assert sums == [array.size] * 6
    assert array.sum() == 0


def test_an_array_is_one_object_within_a_call():
    assert ask(lambda x, y: x is y["again"], ARRAY, {"again": ARRAY})


def test_all_tasks_map_one_copy():
    array = ARRAY
    names = parallel()(delayed(lambda x: x.filename)(array) for _ in range(20))
    assert len(set(names)) == 1


class WithArray(BaseEstimator):
    def __init__(self, weights=None):
        self.weights = weights


def test_clones_with_an_array_as_parameter_share_one_copy():
    clones = [clone(WithArray(ARRAY)) for _ in range(6)]
    assert clones[0].weights is not clones[1].weights
    names = parallel(pre_dispatch="all")(
        delayed(lambda estimator: estimator.weights.filename)(each) for each in clones
    )
    assert len(set(names)) == 1


def test_arrays_that_differ_in_one_place_are_told_apart():
    arrays = [np.zeros(10**6) for _ in range(6)]
    for index, array in enumerate(arrays):
        array[123_457] = index
    sums = parallel(pre_dispatch="all")(delayed(np.sum)(array) for array in arrays)
    assert sums == list(range(6))


@pytest.mark.parametrize("n_changed", [1, 200_000])
def test_an_array_changed_between_two_calls_is_sent_again(n_changed):
    array = np.zeros(200_000)
    with parallel() as managed:
        assert managed([delayed(np.sum)(array)]) == [0]
        array[:n_changed] = 1
        assert managed([delayed(np.sum)(array)]) == [n_changed]


def test_a_store_sees_an_array_that_is_filled_anew_within_a_call():
    store, array = Store(), np.zeros(200_000)
    segments = []
    for value in (0, 1, 1):
        array[:] = value
        segments.append(store.segment(array, array))
    assert segments[0].holds(np.zeros(200_000))
    assert segments[1] is segments[2]


def test_a_store_compares_all_of_an_array_in_the_next_call():
    store, array = Store(), np.zeros(200_000)
    segment = store.segment(array, array)
    store.end_call()
    assert store.segment(array, array) is segment
    store.end_call()
    array[77_777] = 1
    assert store.segment(array, array) is not segment


def test_the_copy_is_kept_between_the_calls_of_one_configuration():
    array = ARRAY
    with parallel() as managed:
        names = [managed([delayed(lambda x: x.filename)(array)])[0] for _ in range(2)]
    assert names[0] == names[1]


def test_the_copy_goes_when_the_call_ends_though_the_array_stays(eventually, open_segments):
    array = rng.random(10**6)
    ask(np.sum, array)
    eventually(lambda: not open_segments(), seconds=2)
    assert array.size == 10**6


def test_the_copy_of_an_array_that_is_gone_does_not_wait_for_the_end_of_the_call(open_segments):
    most = 0

    def tasks():
        nonlocal most
        for value in range(40):
            most = max(most, len(open_segments()))
            yield delayed(np.sum)(np.full(200_000, value))

    sums = parallel(batch_size=1)(tasks())
    assert sums == [200_000 * value for value in range(40)]
    assert most < 12


@pytest.mark.parametrize("in_file", [False, True])
def test_segment_that_is_freed_cannot_be_found(tmp_path, monkeypatch, in_file):
    """A thread that asks for the content at the worst moment must not get a closed segment."""
    store, found = Store(folder=tmp_path if in_file else None), []

    def look(function):
        def end(*args):
            found.append(list(store._by_content.values()))
            function(*args)

        return end

    for array in (np.zeros(200_000), np.zeros(200_000)):
        segment = store.segment(array, array)
    assert len(store._by_content) == 1
    monkeypatch.setattr(os, "unlink", look(os.unlink))
    monkeypatch.setattr(os, "close", look(os.close))
    del segment, array
    monkeypatch.undo()
    assert found == [[]]


def test_equal_arrays_that_come_and_go_reach_all_tasks():
    for _ in range(30):
        calls = (delayed(lambda x, i: x[0] + i)(np.zeros(200_000), i) for i in range(4))
        assert parallel()(calls) == [0, 1, 2, 3]


@pytest.mark.parametrize("mmap_mode", ["r+", "w+"])
@pytest.mark.parametrize("in_file", [False, True])
def test_equal_arrays_that_tasks_write_to_stay_apart(tmp_path, mmap_mode, in_file):
    def add(x, value):
        x += value
        return x[0], x[-1]

    folder = tmp_path if in_file else None
    managed = parallel(mmap_mode=mmap_mode, batch_size=1, temp_folder=folder)
    with managed:
        for _ in range(2):  # the caller's arrays have not changed in between
            arrays = [np.zeros(200_000) for _ in range(6)]
            found = managed(delayed(add)(x, i) for i, x in enumerate(arrays, 1))
            assert found == [(i, i) for i in range(1, 7)]
    assert not any(map(np.any, arrays))


def test_with_mode_r_plus_all_tasks_write_into_one_copy():
    def add(x, index):
        x[index] = 1
        return x.sum()

    array = np.zeros(200_000)
    sums = parallel(mmap_mode="r+", batch_size=1)(delayed(add)(array, i) for i in range(10))
    assert max(sums) == 10
    assert array.sum() == 0


@pytest.mark.parametrize(("max_nbytes", "shared"), [("1M", False), (100, True), (None, False)])
def test_the_threshold_is_that_of_joblib(max_nbytes, shared):
    assert ask(lambda x: isinstance(x, np.memmap), np.zeros(100), max_nbytes=max_nbytes) is shared


def test_the_options_can_be_given_to_a_configuration(tmp_path):
    with parallel_config("skextra", n_jobs=2, max_nbytes=100, temp_folder=str(tmp_path)):
        names = Parallel()(delayed(lambda x: x.filename)(np.zeros(100)) for _ in range(2))
    assert all(name.startswith(str(tmp_path)) for name in names)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("by", ["option", "variable"])
def test_files_are_in_the_folder_that_was_given_while_the_call_runs(tmp_path, monkeypatch, by):
    def look(x):
        x += 1
        return [path.stat().st_size for path in tmp_path.glob("*/*")]

    folder = tmp_path if by == "option" else None
    if by == "variable":
        monkeypatch.setenv("JOBLIB_TEMP_FOLDER", str(tmp_path))
    array = np.zeros(200_000)
    assert ask(look, array, temp_folder=folder) == [array.nbytes]
    assert list(tmp_path.iterdir()) == []
    assert array.sum() == 0


def test_a_folder_that_cannot_be_written_to_costs_memory_and_nothing_else(tmp_path):
    (tmp_path / "file").touch()
    array = np.ones(200_000)
    assert ask(np.sum, array, temp_folder=tmp_path / "file") == 200_000


def test_more_arrays_than_descriptors_arrive(run_script):
    lines, _ = run_script(
        """
        import resource
        import numpy as np
        import skextra
        from joblib import Parallel, delayed
        resource.setrlimit(resource.RLIMIT_NOFILE, (120, 120))
        arrays = [np.full(2_000, i) for i in range(300)]
        parallel = Parallel(n_jobs=2, backend="skextra", max_nbytes=1000)
        print(parallel([delayed(sum)(list(map(np.min, arrays)))] * 2)[0])
        print(parallel([delayed(lambda x: int(sum(map(np.min, x))))(arrays)] * 2)[0])
        results = [parallel([delayed(lambda: np.ones(200_000))()] * 2) for _ in range(80)]
        print(int(np.sum(results)))
        """
    ).finish()
    assert lines == ["44850", "44850", str(160 * 200_000)]


def test_workers_keep_no_mapping_of_an_array_they_no_longer_use(eventually):
    class Ring:
        pass

    def keep_in_a_cycle(x):
        ring = Ring()
        ring.itself, ring.x = ring, x
        return os.getpid()

    pids = set(parallel()(delayed(keep_in_a_cycle)(ARRAY) for _ in range(8)))
    maps = [Path(f"/proc/{pid}/maps") for pid in pids]
    eventually(lambda: not any("memfd:skextra" in path.read_text() for path in maps), seconds=5)


def test_two_workers_and_the_caller_hold_an_array_twice_in_all(tmp_path, eventually):
    def hold(x, index):
        total = float(x.sum())
        (tmp_path / f"{index}-{os.getpid()}").touch()
        while not (tmp_path / "go").exists():
            time.sleep(0.01)
        return total

    array = np.ones(150 * MEGABYTE // 8)
    parallel()(delayed(np.sum)(np.ones(200_000)) for _ in range(4))
    before = parallel(batch_size=1)(delayed(os.getpid)() for _ in range(20))
    base = sum(map(pss_megabytes, {*before, os.getpid()}))
    results = []
    thread = threading.Thread(
        target=lambda: results.extend(
            Parallel(n_jobs=2, backend="skextra")(delayed(hold)(array, i) for i in range(2))
        )
    )
    thread.start()
    eventually(lambda: len(list(tmp_path.iterdir())) == 2)
    pids = {int(path.name.partition("-")[2]) for path in tmp_path.iterdir()}
    peak = sum(map(pss_megabytes, {*pids, *before, os.getpid()}))
    (tmp_path / "go").touch()
    thread.join()
    assert results == [array.size] * 2
    assert peak - base < 150 * 1.15


def test_a_search_over_a_large_table_finds_what_it_finds_sequentially():
    X, y = pd.DataFrame(rng.random((100_000, 2))), pd.Series(rng.choice(["a", "b"], 100_000))
    grid = {"var_smoothing": [1e-9, 1e-3]}
    expected = GridSearchCV(GaussianNB(), grid).fit(X, y)
    with parallel_config("skextra", n_jobs=2):
        search = GridSearchCV(GaussianNB(), grid).fit(X, y)
    assert_array_equal(
        search.cv_results_["mean_test_score"], expected.cv_results_["mean_test_score"]
    )
