"""Every estimator passes scikit-learn's checks: all of them, with no exception list."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import scipy
import torch
from packaging.version import parse as parse_version
from sklearn.utils.estimator_checks import (
    check_dataframe_column_names_consistency,
    check_inplace_ensure_writeable,
    check_param_validation,
    parametrize_with_checks,
)

from skextra import ScratchGaussianNB, TumorCNNClassifier

ESTIMATORS = [
    ScratchGaussianNB(),
    ScratchGaussianNB(var_smoothing=1e-3, n_jobs=2),
    TumorCNNClassifier(random_state=0),
    TumorCNNClassifier(architecture="sequential", random_state=0),
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
def test_estimator_passes_scikit_learns_own_checks(estimator, check):
    check(type(estimator).__name__, estimator)


@pytest.mark.skipif(
    parse_version(scipy.__version__) < parse_version("1.14"),
    reason="scikit-learn needs SciPy 1.14 for array API dispatch",
)
def test_array_api_checks_pass_with_flag_enabled():
    """Without SCIPY_ARRAY_API=1 from the start scikit-learn skips them, as it does above."""
    folder = Path(__file__).parent
    selected = "array_api and not enabled"
    if not torch.cuda.is_available():  # scikit-learn asks whether torch was built for CUDA
        selected += " and not cuda"
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-k", selected]
    command += [str(folder / name) for name in ("test_estimator_checks.py", "naive_bayes")]
    environment = {**os.environ, "SCIPY_ARRAY_API": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
    # What is left out is left out for want of a device or an optional library.
    for line in done.stdout.splitlines():
        if line.startswith("SKIPPED"):
            assert re.search(r"is not installed|requires cuda|XPU|MPS", line), line
