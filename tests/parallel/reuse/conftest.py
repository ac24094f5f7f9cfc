"""Steps whose fits can be counted, and a worker's half in the process of the test."""

import pytest
from sklearn import pipeline

from skextra.parallel._reuse import _steps
from skextra.parallel._reuse._keeper import Keeper
from tests.parallel.reuse.steps import n_lines


@pytest.fixture
def keeper():
    keeper = Keeper(2**26)
    yield keeper
    keeper.close()


@pytest.fixture
def memory(keeper, monkeypatch):
    """Have the pipelines of this process share their steps; return their memory."""
    for owner, name in ((pipeline, "check_memory"), (pipeline.Pipeline, "_iter")):
        monkeypatch.setattr(owner, name, getattr(owner, name))
    monkeypatch.setattr(_steps, "_is_hooked", False)
    monkeypatch.setattr(_steps, "_memory", None)
    monkeypatch.setattr(_steps, "_WORTH", (0, 0))  # however long sharing takes on a busy machine
    _steps.share_steps(keeper.address)
    yield _steps._memory
    _steps.share_steps(None)


@pytest.fixture
def log(tmp_path):
    """Where counting steps write a line for each fit and each transformation."""
    return tmp_path / "log"


@pytest.fixture
def counts(log):
    """Return a function that says how often a word was logged since it was asked last."""

    def count():
        found = n_lines(log)
        log.unlink(missing_ok=True)
        return found

    return count
