"""The functions of scikit-learn whose calls are journaled, each with the reason why it may be.

A function may be in the table if its result depends on its arguments alone, and if nobody looks
at its arguments afterwards. So these stay out:

- ``_parallel_build_trees`` of the forests, ``_partial_fit_binary``, ``_partial_fit_estimator``:
  they go on with an estimator that the caller keeps.
- ``_accumulate_prediction``: it adds to an array that all calls share.
- ``_transform_one``, ``_fit_transform_one`` and ``_fit_one`` of pipelines: a transformer's result
  is as large as the data, and takes longer to write than most take to compute.
"""

import sys

_SELECTION = "sklearn.model_selection._validation"

# By module and name. "Is cloned": the function, or its caller, clones the estimator first.
FUNCTIONS = {
    (_SELECTION, "_fit_and_score"): "is cloned; returns scores, times and at most the estimator",
    (_SELECTION, "_fit_and_predict"): "is cloned; returns predictions (cross_val_predict)",
    (_SELECTION, "cross_val_predict"): "is cloned; returns predictions (StackingClassifier)",
    (_SELECTION, "_permutation_test_score"): "is cloned; its caller has shuffled y",
    (_SELECTION, "_incremental_fit_estimator"): "is cloned; returns scores (learning_curve)",
    (
        "sklearn.model_selection._classification_threshold",
        "_fit_and_score_over_thresholds",
    ): "is cloned; returns scores (TunedThresholdClassifierCV)",
    ("sklearn.feature_selection._rfe", "_rfe_single_fit"): "is cloned; returns scores (RFECV)",
    (
        "sklearn.ensemble._base",
        "_fit_single_estimator",
    ): "is cloned; returns the fitted clone (StackingClassifier, VotingClassifier)",
    (
        "sklearn.ensemble._bagging",
        "_parallel_build_estimators",
    ): "makes its estimators itself, from seeds that are arguments (BaggingClassifier)",
    (
        "sklearn.calibration",
        "_fit_classifier_calibrator_pair",
    ): "is cloned; returns the fitted pair (CalibratedClassifierCV)",
    (
        "sklearn.inspection._permutation_importance",
        "_calculate_permutation_scores",
    ): "copies X; the seed is an argument (permutation_importance)",
    ("sklearn.multiclass", "_fit_binary"): "is cloned; returns the fit (OneVsRestClassifier)",
    ("sklearn.multiclass", "_fit_ovo_binary"): "is cloned; returns the fit (OneVsOneClassifier)",
    (
        "sklearn.multioutput",
        "_fit_estimator",
    ): "is cloned; returns the fit (MultiOutputClassifier)",
}

# Arguments that have no influence on what is returned, or only if the call fails.
NO_INFLUENCE = {
    "callback_ctx",
    "caller",
    "candidate_progress",
    "error_score",
    "message",
    "message_clsname",
    "n_jobs",
    "pre_dispatch",
    "split_progress",
    "verbose",
}


def is_covered(function):
    """Whether a function is in the table, and not only called as one of it is."""
    target = getattr(function, "function", function)  # scikit-learn wraps what it hands out
    place = getattr(target, "__module__", None), getattr(target, "__qualname__", None)
    if place not in FUNCTIONS:
        return False
    return getattr(sys.modules.get(place[0]), place[1], None) is target
