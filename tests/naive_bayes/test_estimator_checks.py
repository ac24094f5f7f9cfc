"""scikit-learn's own estimator checks on ScratchGaussianNB, with no exception list."""

from sklearn.utils.estimator_checks import parametrize_with_checks

from skextra import ScratchGaussianNB


@parametrize_with_checks([ScratchGaussianNB(), ScratchGaussianNB(var_smoothing=1e-3, n_jobs=2)])
def test_estimator_checks(estimator, check):
    check(estimator)
