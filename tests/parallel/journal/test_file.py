"""The file of a journal: whose it is, and what may happen to it."""

import contextlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import cloudpickle
import numpy as np
import pytest
from joblib import Parallel, delayed, parallel_config
from numpy.testing import assert_allclose
from sklearn.datasets import load_iris
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB

from skextra.parallel import Journal, JournalError
from skextra.parallel._journal import _file as journal_module
from skextra.parallel._journal._file import close_journal, open_journal
from skextra.parallel._journal._recorder import Recorder
from tests.parallel import searches
from tests.parallel.searches import grid_search, n_fits, run

cloudpickle.register_pickle_by_value(sys.modules[__name__])
cloudpickle.register_pickle_by_value(searches)


def test_a_journal_is_for_its_owner_only(path, estimator):
    run(grid_search(estimator), path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {file.name for file in path.parent.iterdir()} == {path.name, "fits"}


def test_a_second_program_gets_a_clear_error(path, tmp_path):
    recorder = Recorder(path)
    text = f"from skextra.parallel._journal._recorder import Recorder; Recorder({str(path)!r})"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True)
    assert "JournalError: The journal" in done.stderr
    assert "in use by another program" in done.stderr
    again = Recorder(path)  # in the same program it is shared
    again.close()
    recorder.close()
    subprocess.run([sys.executable, "-c", text], check=True)


def test_a_fork_of_the_program_cannot_use_it_either(path):
    recorder = Recorder(path)
    pid = os.fork()
    if not pid:
        code = 1
        try:
            Recorder(path)
        except JournalError:
            recorder.close()  # does nothing here
            code = 0
        finally:
            os._exit(code)
    assert os.waitpid(pid, 0)[1] == 0
    assert journal_module._files
    recorder.close()
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


def test_a_journal_that_is_no_path_is_a_clear_error():
    with pytest.raises(TypeError, match="journal must be the path of a file, got 3"):
        Parallel(n_jobs=2, backend="skextra", journal=3)([delayed(abs)(1)])


def test_journal_of_format_1_is_read_and_never_replayed(tmp_path, capsys):
    """The file was written by the commit b0ea506, whose keys left code out that counts now."""
    path = tmp_path / "old.sqlite"
    shutil.copy(Path(__file__).with_name("format_1.sqlite"), path)
    table = Journal(path).to_dataframe()
    assert table["n_splits"].tolist() == [2, 2]
    search = GridSearchCV(GaussianNB(), {"var_smoothing": [1e-9, 1e-3]}, cv=2, refit=False)
    with (
        parallel_config("skextra", n_jobs=2, journal=path),
        pytest.warns(UserWarning, match="Nothing in the journal .* matched"),
    ):
        search.fit(*load_iris(return_X_y=True))
    assert "were in the journal" not in capsys.readouterr().err
    assert_allclose(search.cv_results_["mean_test_score"], table["mean_test_score"])
    assert len(Journal(path)) == 8


def test_removed_file_is_said(path, tmp_path):
    file = open_journal(path)
    path.unlink()
    with pytest.raises(JournalError, match="it was removed or moved while"):
        file.add([])
    path.touch()
    with pytest.raises(JournalError, match="it was replaced by another file"):
        file.add([])
    close_journal(file)


def test_log_left_beside_old_name_is_said(path, tmp_path):
    file = open_journal(path)
    file.add([(b"key", 0, {"function": "f"}, b"r")])
    file.add([(b"other", 0, {"function": "f"}, b"r")])
    moved = tmp_path / "moved.sqlite"
    shutil.copy(path, moved)  # as it was at the last checkpoint
    with pytest.warns(UserWarning, match="was moved from .* the last results may lie beside"):
        assert len(Journal(moved)) == 1
    with pytest.warns(UserWarning, match="was moved from .* the last results may lie beside"):
        close_journal(open_journal(moved))
    close_journal(file)


@pytest.mark.parametrize("has_log", [False, True])
def test_journal_in_read_only_place_is_read(path, tmp_path, monkeypatch, has_log):
    folder = tmp_path / "read_only"
    folder.mkdir()
    file = open_journal(path)
    file.add([(b"key", 0, {"function": "f"}, b"r\x80\x05]q\x00K\x01a.")])
    if not has_log:
        close_journal(file)
    for part in tmp_path.glob("search.sqlite*"):
        shutil.copy(part, folder)
    if has_log:
        close_journal(file)
    monkeypatch.setattr(os, "access", lambda *args: False)
    before = sorted(folder.iterdir())
    assert [row["result"] for row in Journal(folder / path.name).rows()] == [1]
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("n_kept", [0, 100])
def test_result_is_found_whether_keys_are_kept(path, monkeypatch, n_kept):
    """The keys of small journals are kept in memory; those of large ones are asked for."""
    monkeypatch.setattr(journal_module, "_MOST_KEYS", n_kept)
    for _ in range(2):
        file = open_journal(path)
        assert file.find(b"other", 0) is None
        file.add([(b"key", 0, {"function": "f"}, b"message")])
        assert file.find(b"key", 0) == b"message"
        assert file.find(b"key", 1) is None
        close_journal(file)


def test_result_reaches_the_file_itself_soon(path, monkeypatch, eventually):
    """Also if no other result follows: a machine that fails loses no more than the last second."""
    monkeypatch.setattr(journal_module, "_CHECKPOINT_SECONDS", 0.01)
    file = open_journal(path)
    try:
        for n_results in (1, 2):
            file.add([(bytes([n_results]), 0, {"function": "f"}, b"message")])
            eventually(lambda n=n_results: n_in_file_alone(path) == n)
    finally:
        close_journal(file)


def n_in_file_alone(path):
    """Count the results that are not only in the log beside the file."""
    with contextlib.closing(journal_module.open_for_reading(path, "immutable")) as connection:
        return connection.execute("SELECT count(*) FROM results").fetchone()[0]
