"""Every estimator passes scikit-learn's checks: all of them, with no exception list."""

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
