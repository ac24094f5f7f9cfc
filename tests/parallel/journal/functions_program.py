"""Calls each function that the journal covers, as a program of its own.

Its arguments are the path of a journal, in which {} is the name of the function, or "-" for none;
whether each call is to take a tenth of a second, one after the other; and the names.
"""

import sys

import numpy as np
from joblib import parallel_config
from sklearn.calibration import CalibratedClassifierCV
from sklearn.covariance import GraphicalLassoCV
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.feature_selection import RFECV, mutual_info_classif
from sklearn.inspection import partial_dependence, permutation_importance
from sklearn.linear_model import (
    LarsCV,
    LassoCV,
    LogisticRegression,
    LogisticRegressionCV,
    OrthogonalMatchingPursuitCV,
)
from sklearn.manifold import MDS
from sklearn.model_selection import (
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    learning_curve,
    permutation_test_score,
)
from sklearn.multiclass import OneVsOneClassifier, OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.utils.parallel import Parallel, delayed

import skextra  # noqa: F401
from skextra.parallel._journal._functions import FUNCTIONS

_draw = np.random.default_rng(0)
X, y = _draw.normal(size=(60, 4)), np.tile([0, 1], 30)
LABELS = np.tile([0, 1, 2, 3], 15)
MODEL, LINEAR = GaussianNB(), LogisticRegression(random_state=0)
FITTED = GaussianNB().fit(X, y)
MODELS = [(f"m{i}", GaussianNB(var_smoothing=10.0**-i)) for i in range(4)]

# By the name of a function: a call that hands it to joblib, and how often.
RUNS = {
    "_fit_and_score": (lambda: cross_val_score(MODEL, X, y, cv=6), 6),
    "_fit_and_predict": (lambda: cross_val_predict(MODEL, X, y, cv=6), 6),
    "cross_val_predict": (lambda: StackingClassifier(MODELS, LINEAR, cv=3).fit(X, y), 4),
    "_permutation_test_score": (
        lambda: permutation_test_score(MODEL, X, y, cv=2, n_permutations=6, random_state=0)[1],
        6,
    ),
    "_incremental_fit_estimator": (
        lambda: learning_curve(MODEL, X, y, cv=6, exploit_incremental_learning=True)[2],
        6,
    ),
    "_fit_and_score_over_thresholds": (
        lambda: TunedThresholdClassifierCV(MODEL, thresholds=5, cv=6).fit(X, y),
        6,
    ),
    "_rfe_single_fit": (lambda: RFECV(LINEAR, min_features_to_select=3, cv=6).fit(X, y), 6),
    "_compute_mi": (lambda: mutual_info_classif(X, y, n_jobs=2, random_state=0), 4),
    "_fit_single_estimator": (lambda: VotingClassifier(MODELS).fit(X, y), 4),
    "_parallel_build_estimators": (
        lambda: BaggingClassifier(MODEL, n_estimators=6, random_state=0).fit(X, y),
        2,
    ),
    "_fit_classifier_calibrator_pair": (lambda: CalibratedClassifierCV(MODEL, cv=6).fit(X, y), 6),
    "_calculate_permutation_scores": (
        lambda: permutation_importance(FITTED, X, y, n_repeats=2, random_state=0).importances,
        4,
    ),
    "partial_dependence": (
        lambda: [
            found.average
            for found in Parallel()(delayed(partial_dependence)(FITTED, X, [i]) for i in range(4))
        ],
        4,
    ),
    "_fit_binary": (lambda: OneVsRestClassifier(MODEL).fit(X, LABELS), 4),
    "_fit_ovo_binary": (lambda: OneVsOneClassifier(MODEL).fit(X, LABELS), 6),
    "_fit_estimator": (
        lambda: MultiOutputClassifier(MODEL).fit(X, np.c_[y, y, 1 - y, 1 - y, y]),
        5,
    ),
    "_path_residuals": (lambda: LassoCV(cv=6).fit(X, y).mse_path_, 6),
    "_lars_path_residues": (lambda: LarsCV(cv=6).fit(X, y).mse_path_, 6),
    "_omp_path_residues": (lambda: OrthogonalMatchingPursuitCV(cv=6).fit(X, y), 6),
    "_log_reg_scoring_path": (
        lambda: LogisticRegressionCV(Cs=2, scoring="accuracy", cv=6).fit(X, y).coef_,
        6,
    ),
    "graphical_lasso_path": (
        lambda: GraphicalLassoCV(alphas=[0.1, 0.2], cv=6).fit(X).covariance_,
        6,
    ),
    "_smacof_single": (
        lambda: MDS(n_init=4, max_iter=20, random_state=0).fit_transform(X[:20]),
        4,
    ),
}


def take_turns(module, name):
    """Make each call of a function in this worker wait for its turn, a tenth of a second."""
    import fcntl
    import functools
    import importlib
    import time

    home = importlib.import_module(module)
    function = getattr(home, name)

    @functools.wraps(function)
    def call(*args, **kwargs):
        with open("turn", "w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            time.sleep(0.1)
        return function(*args, **kwargs)

    setattr(home, name, call)


def main(path, is_slow, *names):
    modules = {name: module for module, name in FUNCTIONS}
    for name in names:
        options = {} if path == "-" else {"journal": path.format(name)}
        if is_slow == "slow":
            options |= {"initializer": take_turns, "initargs": (modules[name], name)}
        with parallel_config("skextra", n_jobs=2, **options):
            result = RUNS[name][0]()
        if hasattr(result, "predict"):
            result = result.predict(X)
        print(name, np.asarray(result).tolist(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
