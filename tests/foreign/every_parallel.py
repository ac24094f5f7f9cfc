"""A plugin of pytest for other projects' tests: each ``joblib.Parallel`` runs on "skextra".

``nox -s foreign`` runs them, as ``python -m pytest -p tests.foreign.every_parallel --pyargs ...``.
"""

import joblib
import pytest

import skextra  # noqa: F401  registers the backend


@pytest.fixture(autouse=True)
def every_parallel():
    """Make the backend the one that is active in the test."""
    with joblib.parallel_config("skextra"):
        yield
