"""Every estimator passes scikit-learn's checks: all of them, with no exception list."""

import os
import subprocess
import sys

import pytest
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_inplace_ensure_writeable,
    check_param_validation,
    parametrize_with_checks,
)

from skextra import TumorCNNClassifier

ESTIMATORS = [
    TumorCNNClassifier(random_state=0),
    TumorCNNClassifier(
        architecture="mlp", class_weight="balanced", early_stopping=True, random_state=0
    ),
]


@parametrize_with_checks(ESTIMATORS)
def test_estimator_passes_every_check_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.mark.parametrize(
    "check",
    [
        check_dataframe_column_names_consistency,
        check_inplace_ensure_writeable,
        check_param_validation,
    ],
)
@pytest.mark.parametrize("estimator", ESTIMATORS, ids=repr)
def test_estimator_passes_the_checks_scikit_learn_runs_on_itself(estimator, check):
    check(type(estimator).__name__, estimator)


def test_the_array_api_checks_pass_in_a_process_that_has_them_enabled():
    """Without SCIPY_ARRAY_API=1 from the start scikit-learn skips them, as it does above."""
    command = [sys.executable, "-m", "pytest", "-q", "-k", "array_api and not enabled", __file__]
    environment = {**os.environ, "SCIPY_ARRAY_API": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout
    assert "passed" in done.stdout
    assert "skipped" not in done.stdout
