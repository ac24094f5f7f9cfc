"""A walk through scikit-learn with ScratchGaussianNB where GaussianNB would stand."""

import numpy as np
import pandas as pd
import pytest
import skops.io
from numpy.testing import assert_allclose
from sklearn import config_context
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_breast_cancer, load_iris, load_wine
from sklearn.decomposition import PCA
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    StratifiedShuffleSplit,
    cross_validate,
    learning_curve,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler, OneHotEncoder, OrdinalEncoder, StandardScaler

from skextra import ScratchGaussianNB

CLASSIFIERS = [ScratchGaussianNB(), GaussianNB()]


@pytest.fixture(scope="module")
def people():
    """A frame with numbers and categories, and a class that depends on both."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "age": rng.normal(40, 10, 400),
            "income": rng.lognormal(10, 0.5, 400),
            "city": rng.choice(["Bern", "Rome", "Oslo"], 400),
            "size": rng.choice(["small", "large"], 400),
        }
    )
    target = np.where((frame["age"] > 40) ^ (frame["city"] == "Rome"), "yes", "no")
    return frame, target


@pytest.mark.parametrize("scale", [StandardScaler(), MinMaxScaler(), PCA(5, random_state=0)])
def test_pipelines_score_as_with_scikit_learn(scale):
    X, y = load_wine(return_X_y=True)
    ours, theirs = (
        cross_validate(make_pipeline(scale, classifier), X, y, cv=5)["test_score"]
        for classifier in CLASSIFIERS
    )
    assert_allclose(ours, theirs)
    assert ours.mean() > 0.6


def test_a_column_transformer_feeds_it_numbers_and_categories(people):
    frame, target = people
    transformer = ColumnTransformer(
        [
            ("scaled", StandardScaler(), ["age"]),
            ("squeezed", MinMaxScaler(), ["income"]),
            ("ordered", OrdinalEncoder(), ["size"]),
            ("one hot", OneHotEncoder(sparse_output=False), ["city"]),
        ]
    )
    ours, theirs = (
        make_pipeline(transformer, classifier).fit(frame, target).predict_proba(frame)
        for classifier in CLASSIFIERS
    )
    assert_allclose(ours, theirs, atol=1e-9)


def test_sparse_one_hot_columns_need_not_be_made_dense(people):
    frame, target = people
    dense, thin = (
        make_pipeline(OneHotEncoder(sparse_output=is_sparse), ScratchGaussianNB())
        .fit(frame[["city", "size"]], target)
        .predict_proba(frame[["city", "size"]])
        for is_sparse in (False, True)
    )
    assert_allclose(thin, dense, atol=1e-9)


def test_a_grid_search_over_the_smoothing_finds_what_it_finds_with_scikit_learn():
    X, y = load_breast_cancer(return_X_y=True)
    ours, theirs = (
        GridSearchCV(
            classifier,
            {"var_smoothing": np.logspace(-12, -3, 4)},
            cv=StratifiedShuffleSplit(4, random_state=0),
            scoring="neg_log_loss",
        ).fit(X, y)
        for classifier in CLASSIFIERS
    )
    assert ours.best_params_ == theirs.best_params_
    # The score clips probabilities of 0 to the precision of float64, a jump of many nats.
    assert_allclose(
        ours.cv_results_["mean_test_score"], theirs.cv_results_["mean_test_score"], rtol=1e-4
    )


def test_calibration_voting_and_learning_curves_take_it():
    X, y = load_iris(return_X_y=True)
    calibrated = CalibratedClassifierCV(ScratchGaussianNB(), cv=3).fit(X, y)
    assert calibrated.score(X, y) > 0.9
    voting = VotingClassifier(
        [("bayes", ScratchGaussianNB()), ("logistic", LogisticRegression(max_iter=500))],
        voting="soft",
    ).fit(X, y)
    assert voting.score(X, y) > 0.9
    for exploit in (False, True):  # by partial_fit as well
        _, _, scores = learning_curve(
            ScratchGaussianNB(), X, y, cv=3, shuffle=True, random_state=0,
            exploit_incremental_learning=exploit,
        )  # fmt: skip
        assert scores[-1].mean() > 0.9


def test_sample_weight_is_routed_through_a_search():
    X, y = load_iris(return_X_y=True)
    weight = np.where(y == 0, 5.0, 1.0)
    with config_context(enable_metadata_routing=True):
        classifier = ScratchGaussianNB().set_fit_request(sample_weight=True)
        classifier.set_score_request(sample_weight=True)
        search = GridSearchCV(classifier, {"var_smoothing": [1e-9]}, cv=3)
        search.fit(X, y, sample_weight=weight)
    assert_allclose(search.best_estimator_.class_count_, [250, 50, 50])


def test_skops_stores_it_with_no_untrusted_type_but_itself():
    X, y = load_iris(return_X_y=True)
    model = ScratchGaussianNB().fit(X, y)
    stored = skops.io.dumps(model)
    own = ["skextra.naive_bayes._gaussian.ScratchGaussianNB"]
    assert skops.io.get_untrusted_types(data=stored) == own
    again = skops.io.loads(stored, trusted=own)
    assert np.array_equal(again.predict_proba(X), model.predict_proba(X))
    assert_allclose(again.partial_fit(X, y).class_count_, [100, 100, 100])


def test_a_notebook_shows_the_model_as_it_shows_gaussian_nb():
    X, y = load_iris(return_X_y=True)
    ours, theirs = (model.fit(X, y)._repr_html_() for model in (ScratchGaussianNB(), GaussianNB()))
    if "Fitted attributes" not in theirs:
        pytest.skip("scikit-learn shows fitted attributes from version 1.9 on")
    for text in ("Fitted attributes", "theta_", "var_", "class_prior_", "ndarray[float64](3, 4)"):
        assert text in ours
        assert text in theirs
