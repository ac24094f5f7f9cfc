"""Searches that were stopped and go on where they were."""

import os
import pickle
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
import warnings

import cloudpickle
import numpy as np
import pandas as pd
import pytest
from joblib import Parallel, delayed, parallel_config
from numpy.testing import assert_array_equal
from sklearn.datasets import make_classification
from sklearn.exceptions import FitFailedWarning
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import make_scorer
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    KFold,
    RandomizedSearchCV,
    cross_val_score,
    cross_validate,
    learning_curve,
)

from skextra.parallel import Journal, JournalError, journaled
from skextra.parallel import _journal as journal_module
from skextra.parallel._ledger import Ledger

cloudpickle.register_pickle_by_value(sys.modules[__name__])

X, y = make_classification(n_samples=120, random_state=0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "search.sqlite"


class Counting(LogisticRegression):
    """Leaves a byte in a file for every fit."""

    def __init__(self, C=1.0, file=None):
        super().__init__(C=C)
        self.file = file

    def fit(self, X, y):
        with open(self.file, "ab") as file:
            file.write(b".")
        return super().fit(X, y)


@pytest.fixture
def estimator(tmp_path):
    return Counting(file=tmp_path / "fits")


def n_fits(estimator):
    """Return how many fits there were since the last time."""
    try:
        number = estimator.file.stat().st_size
    except FileNotFoundError:
        return 0
    estimator.file.unlink()
    return number


def grid_search(estimator, C=(0.1, 1, 10), **options):
    return GridSearchCV(estimator, {"C": list(C)}, cv=3, refit=False, **options)


def run(search, path, data=(X, y)):
    with parallel_config("skextra", n_jobs=2, journal=path):
        return search.fit(*data)


PROCEDURES = {
    "grid search": lambda estimator: grid_search(estimator).fit(X, y).cv_results_,
    "randomized search": lambda estimator: (
        RandomizedSearchCV(estimator, {"C": [1, 2, 3]}, n_iter=2, random_state=0, refit=False)
        .fit(X, y)
        .cv_results_
    ),
    "halving search": lambda estimator: (
        HalvingGridSearchCV(
            estimator, {"C": [1, 2, 3]}, cv=2, random_state=0, refit=False, min_resources=20
        )
        .fit(X, y)
        .cv_results_
    ),
    "cross_validate": lambda estimator: cross_validate(estimator, X, y, return_train_score=True),
    "cross_val_score": lambda estimator: {"test": cross_val_score(estimator, X, y)},
    "learning_curve": lambda estimator: dict(
        enumerate(learning_curve(estimator, X, y, train_sizes=[0.5, 1.0]))
    ),
}


@pytest.mark.parametrize("name", PROCEDURES)
def test_what_is_in_the_journal_is_not_done_again(name, estimator, path, capsys):
    results = []
    for _ in range(2):
        with parallel_config("skextra", n_jobs=2, journal=path):
            results.append(PROCEDURES[name](estimator))
        results[-1]["fits"] = n_fits(estimator)
    first, second = results
    assert second.pop("fits") == 0
    n_first = first.pop("fits")
    assert n_first > 0
    assert f"{n_first} of {n_first} fits were in the journal {path}\n" in capsys.readouterr().err
    assert first.keys() == second.keys()
    for key in first:
        assert_array_equal(first[key], second[key])


def test_a_changed_grid_reuses_what_it_shares(estimator, path, capsys):
    run(grid_search(estimator, [0.1, 1, 10]), path)
    assert n_fits(estimator) == 9
    run(grid_search(estimator, [10, 0.1, 5]), path)
    assert n_fits(estimator) == 3
    assert "6 of 9 fits were in the journal" in capsys.readouterr().err


def negative_accuracy(y_true, y_predicted):
    return -np.mean(y_true == y_predicted)


CHANGED_X = X.copy()
CHANGED_X[-1, -1] += 1e-12


@pytest.mark.parametrize(
    ("change", "data"),
    [
        ({}, (CHANGED_X, y)),
        ({}, (X.astype(np.float32), y)),
        ({}, (X, 1 - y)),
        ({"cv": KFold(3, shuffle=True, random_state=0)}, (X, y)),
        ({"scoring": "roc_auc"}, (X, y)),
        ({"scoring": make_scorer(negative_accuracy)}, (X, y)),
        ({"return_train_score": True}, (X, y)),
        ({"estimator": Counting(0.5)}, (X, y)),
    ],
)
def test_whatever_is_changed_is_done_again(estimator, path, change, data):
    run(grid_search(estimator), path)
    n_fits(estimator)
    if "estimator" in change:
        change["estimator"].file = estimator.file
    search = grid_search(estimator).set_params(**change)
    with pytest.warns(UserWarning, match="Nothing in the journal .* matched"):
        run(search, path, data)
    assert n_fits(estimator) == 9


def test_another_version_of_a_library_is_another_result(estimator, path, monkeypatch):
    run(grid_search(estimator), path)
    n_fits(estimator)
    monkeypatch.setattr("skextra.parallel._ledger.versions", lambda: {"numpy": "99"})
    with pytest.warns(UserWarning, match="Nothing in the journal"):
        run(grid_search(estimator), path)
    assert n_fits(estimator) == 9


SCRIPT = """
import os
import numpy as np
import skextra
from joblib import parallel_config
from sklearn.datasets import make_classification
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV

OFFSET = {offset}

class Mine(LogisticRegression):
    def fit(self, X, y):
        os.write(1, b"fit\\n")
        return super().fit(helper(X), y)

def helper(X):
    return X + OFFSET

X, y = make_classification(n_samples=60, random_state=0)
scoring = lambda e, X, y: {score}
with parallel_config("skextra", n_jobs=2, journal={path!r}):
    GridSearchCV(Mine(), {{"C": [1, 2]}}, cv=2, refit=False, scoring=scoring).fit(X, y)
"""


def run_source(tmp_path, path, offset=1, score="e.score(X, y)"):
    text = SCRIPT.format(offset=offset, path=str(path), score=score)
    (tmp_path / "script.py").write_text(text)
    done = subprocess.run(
        [sys.executable, tmp_path / "script.py"], capture_output=True, text=True, check=True
    )
    return done.stdout.split().count("fit"), done.stderr


def test_changed_code_never_gives_a_stale_result(tmp_path, path):
    assert run_source(tmp_path, path)[0] == 4
    n, err = run_source(tmp_path, path)
    assert n == 0
    assert "4 of 4 fits were in the journal" in err
    n, err = run_source(tmp_path, path, offset=2)
    assert n == 4
    assert "Nothing in the journal" in err
    assert run_source(tmp_path, path, score="-e.score(X, y)")[0] == 4


def test_a_search_whose_program_was_killed_goes_on(run_script, path, tmp_path, eventually):
    text = f"""
        import os, sys
        import skextra
        from joblib import parallel_config
        from sklearn.datasets import make_classification
        from sklearn.linear_model import LogisticRegression
        from sklearn.model_selection import GridSearchCV

        class Mine(LogisticRegression):
            def fit(self, X, y):
                os.write(1, b"fit\\n")
                if self.C == 6 and not os.path.exists("go"):
                    import time
                    time.sleep(60)
                return super().fit(X, y)

        X, y = make_classification(n_samples=60, random_state=0)
        with parallel_config("skextra", n_jobs=2, journal={str(path)!r}):
            search = GridSearchCV(Mine(), {{"C": list(range(1, 11))}}, cv=2, refit=False).fit(X, y)
        print(search.cv_results_["mean_test_score"].sum())
    """
    script = run_script(text)
    eventually(lambda: path.exists() and path.stat().st_size and len(Journal(path)) >= 10)
    table = Journal(path).to_dataframe()
    assert len(table) == 5
    script.process.kill()
    script.process.communicate()
    n_done = len(Journal(path))
    (tmp_path / "go").touch()
    (tmp_path / "temporary").rename(tmp_path / "before")
    lines, err = run_script(text).finish()
    assert lines.count("fit") == 20 - n_done
    assert f"{n_done} of 20 fits were in the journal" in err


def test_equal_calls_have_a_place_each(path):
    @journaled
    def draw():
        return os.urandom(8)

    def call(n):
        with parallel_config("skextra", n_jobs=2, journal=path):
            return Parallel()(delayed(draw)() for _ in range(n))

    first = call(4)
    assert len(set(first)) == 4
    assert call(6)[:4] == first


def test_only_functions_that_are_marked_are_journaled(path, tmp_path):
    def work(i):
        (tmp_path / str(i)).touch(exist_ok=False)
        return i

    with parallel_config("skextra", n_jobs=2, journal=path):
        assert Parallel()(delayed(abs)(-i) for i in range(3)) == [0, 1, 2]
        assert len(Journal(path)) == 0
        for _ in range(2):
            assert Parallel()(delayed(journaled(work))(i) for i in range(3)) == [0, 1, 2]
    assert len(Journal(path)) == 3


def test_failures_are_not_journaled(path):
    class Failing(LogisticRegression):
        def fit(self, X, y):
            if self.C == 1:
                raise ValueError("bad")
            if self.C == 2:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().fit(X, y)

    for _ in range(2):
        with (
            parallel_config("skextra", n_jobs=2, journal=path, max_retries=0),
            warnings.catch_warnings(),
        ):
            warnings.filterwarnings("ignore", "One or more of the test", UserWarning)
            with pytest.warns(FitFailedWarning, match="6 fits failed out of a total of 9"):
                grid_search(Failing(), [1, 2, 3]).fit(X, y)
        assert len(Journal(path)) == 3


def test_a_journal_is_for_its_owner_only(path, estimator):
    run(grid_search(estimator), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {file.name for file in path.parent.iterdir()} == {path.name, "fits"}


def test_a_second_program_gets_a_clear_error(path, tmp_path):
    ledger = Ledger(path)
    text = f"from skextra.parallel._ledger import Ledger; Ledger({str(path)!r})"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
    assert "JournalError: The journal" in done.stderr
    assert "in use by another program" in done.stderr
    again = Ledger(path)  # in the same program it is shared
    again.close()
    ledger.close()
    subprocess.run([sys.executable, "-c", text], check=True)


def test_a_fork_of_the_program_cannot_use_it_either(path):
    ledger = Ledger(path)
    pid = os.fork()
    if not pid:
        code = 1
        try:
            Ledger(path)
        except JournalError:
            ledger.close()  # does nothing here
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    assert journal_module._files
    ledger.close()
    assert not journal_module._files


def test_a_foreign_file_is_left_untouched(path):
    def check(match):
        before = path.read_bytes()
        with pytest.raises(JournalError, match=match):
            run(grid_search(LogisticRegression()), path)
        with pytest.raises(JournalError):
            Journal(path)
        assert path.read_bytes() == before
        assert list(path.parent.iterdir()) == [path]

    path.write_text("not a database" * 100)
    check("is not a journal of skextra; it was left as it is")
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE mine (x)")
    connection.close()
    check("is not a journal of skextra")


def test_a_damaged_file_is_left_untouched(path, estimator):
    run(grid_search(estimator, range(1, 30)), path)
    content = bytearray(path.read_bytes())
    content[4096 * 3 : 4096 * 5] = bytes(4096 * 2)
    path.write_bytes(content)
    with pytest.raises(JournalError, match=r"damaged|cannot be used"):
        run(grid_search(estimator), path)
    assert path.read_bytes() == content


def test_a_file_of_a_later_version_is_a_clear_error(path, estimator):
    run(grid_search(estimator), path)
    connection = sqlite3.connect(path)
    connection.execute("UPDATE header SET value = '99' WHERE name = 'format'")
    connection.commit()
    connection.close()
    with pytest.raises(JournalError, match="has the format 99"):
        run(grid_search(estimator), path)


def test_a_transaction_that_was_cut_off_is_taken_back(path, estimator, monkeypatch):
    monkeypatch.setattr(journal_module, "_is_on_network", lambda path: True)
    run(grid_search(estimator), path)
    text = f"""
import os, sqlite3
connection = sqlite3.connect({str(path)!r}, isolation_level=None)
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN")
connection.execute("UPDATE results SET result = zeroblob(100000)")
os._exit(0)
"""
    subprocess.run([sys.executable, "-c", text], check=True)
    assert path.with_name(f"{path.name}-journal").exists()
    n_fits(estimator)
    run(grid_search(estimator), path)
    assert n_fits(estimator) == 0


def test_when_the_disk_is_full_the_search_goes_on(path, estimator, monkeypatch):
    prepare = journal_module.JournalFile._prepare

    def prepare_small(self, is_new):
        prepare(self, is_new)
        n_pages = self._connection.execute("PRAGMA page_count").fetchone()[0]
        self._connection.execute(f"PRAGMA max_page_count = {n_pages + 2}")

    monkeypatch.setattr(journal_module.JournalFile, "_prepare", prepare_small)
    with pytest.warns(UserWarning, match="writing to it failed.*full") as caught:
        found = run(grid_search(estimator, range(1, 40)), path).cv_results_
    assert len(caught) == 1
    assert n_fits(estimator) == 39 * 3
    assert not np.isnan(found["mean_test_score"]).any()
    monkeypatch.undo()
    n_written = len(Journal(path))
    assert 0 < n_written < 39 * 3
    run(grid_search(estimator, range(1, 40)), path)
    assert n_fits(estimator) == 39 * 3 - n_written


def test_what_cannot_be_digested_is_done_with_a_warning(path):
    import threading

    @journaled
    def work(lock):
        return lock is not None

    class Holder:
        def __init__(self):
            self.lock = threading.Lock()

        def __reduce_ex__(self, protocol):
            if sys._getframe(1).f_code.co_name == "_object":
                raise TypeError("cannot pickle a lock")
            return Holder, ()

    with (
        parallel_config("skextra", n_jobs=2, journal=path),
        pytest.warns(UserWarning, match="not every call can be written to it: cannot pickle"),
    ):
        assert Parallel()(delayed(work)(Holder()) for _ in range(2)) == [True, True]


def test_the_table_has_the_shape_of_cv_results(path):
    search = GridSearchCV(
        LogisticRegression(),
        {"C": [1, 2], "fit_intercept": [True, False]},
        scoring=["accuracy", "roc_auc"],
        refit=False,
        return_train_score=True,
    )
    expected = pd.DataFrame(run(search, path).cv_results_)
    table = Journal(path).to_dataframe().sort_values(["param_C", "param_fit_intercept"])
    table = table.set_index(expected.index[[1, 0, 3, 2]]).loc[expected.index]
    assert set(table.columns) - {"n_splits"} == {c for c in expected.columns if "rank" not in c}
    for name in expected.columns:
        if "mean" in name or "std" in name or "split" in name:
            np.testing.assert_allclose(table[name], expected[name], rtol=1e-9, atol=1e-12)
    assert table["params"].tolist() == expected["params"].tolist()


def test_the_rows_of_a_journal(path):
    with parallel_config("skextra", n_jobs=2, journal=path):
        cross_val_score(LogisticRegression(), X, y, cv=3)
    journal = Journal(path)
    assert repr(journal) == f"<Journal '{path}' with 3 results>"
    assert journal.versions["numpy"] == np.__version__
    rows = journal.rows()
    assert len(rows) == len(journal) == 3
    assert {row["function"] for row in rows} == {"_fit_and_score"}
    assert {row["estimator"] for row in rows} == {"LogisticRegression()"}
    assert all(row["result"]["fit_error"] is None for row in rows)
    assert journal.to_dataframe()["n_splits"].tolist() == [3]


def test_without_a_number_of_jobs_a_journal_is_still_used(path, estimator):
    with parallel_config("skextra", journal=path):
        grid_search(estimator).fit(X, y)
    assert len(Journal(path)) == 9


def test_all_cores_are_enough_if_there_is_one(path, estimator, monkeypatch):
    monkeypatch.setattr("skextra.parallel._backend.cpu_count", lambda: 1)
    with parallel_config("skextra", n_jobs=-1, journal=path):
        pids = Parallel()(delayed(os.getpid)() for _ in range(4))
        grid_search(estimator).fit(X, y)
    assert len(set(pids)) == 1
    assert os.getpid() not in pids
    assert len(Journal(path)) == 9


def test_reading_does_not_need_pandas_before_it_is_asked():
    text = """
        import sys
        import skextra.parallel
        skextra.parallel.Journal
        assert "pandas" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(text)], check=True)


def test_a_journal_that_is_no_path_is_a_clear_error():
    with pytest.raises(TypeError, match="journal must be the path of a file, got 3"):
        Parallel(n_jobs=2, backend="skextra", journal=3)([delayed(abs)(1)])


def test_results_of_any_size_come_back(path):
    make = journaled(np.full)
    for _ in range(2):
        with parallel_config("skextra", n_jobs=2, journal=path):
            results = Parallel()(delayed(make)(500_000, i) for i in range(3))
        assert [float(result.sum()) for result in results] == [0.0, 500_000.0, 1_000_000.0]
    assert pickle.dumps(results[0])
