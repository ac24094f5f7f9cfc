"""The functions that scikit-learn hands to joblib: the journaled ones, and why not the others.

A function may be journaled if its result depends on its arguments alone, and if nobody looks at
its arguments afterwards. It is worth a row if a call may take long and says more than a part of
one result: where there are only as many calls as jobs, a killed program has finished none of them.
"""

import sys

_SELECTION = "sklearn.model_selection._validation"
_LINEAR = "sklearn.linear_model"

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
        "sklearn.feature_selection._mutual_info",
        "_compute_mi",
    ): "its caller has drawn the noise; returns a number (mutual_info_classif)",
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
    (
        "sklearn.inspection._partial_dependence",
        "partial_dependence",
    ): "copies X; only predicts (PartialDependenceDisplay)",
    ("sklearn.multiclass", "_fit_binary"): "is cloned; returns the fit (OneVsRestClassifier)",
    ("sklearn.multiclass", "_fit_ovo_binary"): "is cloned; returns the fit (OneVsOneClassifier)",
    (
        "sklearn.multioutput",
        "_fit_estimator",
    ): "is cloned; returns the fit (MultiOutputClassifier)",
    (f"{_LINEAR}._coordinate_descent", "_path_residuals"): "copies its rows of X (LassoCV)",
    (f"{_LINEAR}._least_angle", "_lars_path_residues"): "its rows of X are copies (LarsCV)",
    (
        f"{_LINEAR}._omp",
        "_omp_path_residues",
    ): "its rows of X are copies (OrthogonalMatchingPursuitCV)",
    (
        f"{_LINEAR}._logistic",
        "_log_reg_scoring_path",
    ): "returns coefficients and scores (LogisticRegressionCV)",
    (
        "sklearn.covariance._graph_lasso",
        "graphical_lasso_path",
    ): "returns covariances and scores (GraphicalLassoCV)",
    ("sklearn.manifold._mds", "_smacof_single"): "the seed is an argument (MDS)",
}

_KEEPS = "goes on with an estimator that the caller keeps"
_ADDS = "adds to an array that all calls share"
_LARGE = "its result is as large as the data, and takes longer to write than most take to compute"
_PREDICTS = "predicts, in calls that take no longer than to hash the data"
_PARTS = "there are only as many calls as jobs"
_SHORT = "a call takes milliseconds, no longer than to write its result"

# By the module that calls joblib, or that of the function, and what is called there.
LEFT_OUT = {
    ("sklearn.ensemble._forest", "_parallel_build_trees"): _KEEPS,
    ("sklearn.ensemble._forest", "_accumulate_prediction"): _ADDS,
    ("sklearn.ensemble._forest", "tree.apply"): _PREDICTS,
    ("sklearn.ensemble._forest", "tree.decision_path"): _PREDICTS,
    ("sklearn.ensemble._forest", "getattr"): _SHORT,
    ("sklearn.ensemble._iforest", "_parallel_compute_tree_depths"): _ADDS,
    ("sklearn.ensemble._bagging", "_parallel_predict_proba"): _PREDICTS,
    ("sklearn.ensemble._bagging", "_parallel_predict_log_proba"): _PREDICTS,
    ("sklearn.ensemble._bagging", "_parallel_decision_function"): _PREDICTS,
    ("sklearn.ensemble._bagging", "_parallel_predict_regression"): _PREDICTS,
    ("sklearn.ensemble._hist_gradient_boosting.binning", "_find_binning_thresholds"): _SHORT,
    ("sklearn.multiclass", "_partial_fit_binary"): _KEEPS,
    ("sklearn.multiclass", "_partial_fit_ovo_binary"): _KEEPS,
    ("sklearn.multioutput", "_partial_fit_estimator"): _KEEPS,
    ("sklearn.multioutput", "e.predict"): _PREDICTS,
    (f"{_LINEAR}._stochastic_gradient", "fit_binary"): _KEEPS,
    (f"{_LINEAR}._base", "optimize.nnls"): _SHORT,
    (f"{_LINEAR}._base", "lsqr"): _SHORT,
    (f"{_LINEAR}._theil_sen", "_lstsq"): _PARTS,
    (
        f"{_LINEAR}._logistic",
        "_logistic_regression_path",
    ): "in scikit-learn 1.7 alone: a class of one fit",
    ("sklearn.compose._column_transformer", "func"): _LARGE,
    ("sklearn.pipeline", "func"): _LARGE,
    ("sklearn.pipeline", "_transform_one"): _LARGE,
    ("sklearn.pipeline", "_fit_one"): _LARGE,
    ("sklearn.decomposition._lda", "_update_doc_distribution"): _PARTS,
    ("sklearn.decomposition._dict_learning", "_sparse_encode_precomputed"): _PARTS,
    ("sklearn.metrics.pairwise", "_transposed_dist_wrapper"): _ADDS,
    ("sklearn.metrics.pairwise", "_dist_wrapper"): _ADDS,
    ("sklearn.cluster._mean_shift", "_mean_shift_single_seed"): _SHORT,
    ("sklearn.neighbors._base", "self._tree.query"): _PREDICTS,
    ("sklearn.neighbors._base", "self._tree.query_radius"): _PREDICTS,
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
