"""The classifier inside scikit-learn's tools, as people use them."""

import joblib
import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.ensemble import VotingClassifier
from sklearn.linear_model import SGDClassifier
from sklearn.metrics import classification_report, confusion_matrix
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skextra import ScratchGaussianNB, TumorCNNClassifier


@pytest.fixture(scope="module")
def digits():
    X, y = load_digits(return_X_y=True)
    return X[:400], y[:400]


@pytest.fixture(scope="module")
def big_digits(digits):
    """The digits at 28x28 pixels, for want of Fashion-MNIST, which needs a network to fetch."""
    X, y = digits
    images = X.reshape(-1, 8, 8).repeat(3, axis=1).repeat(3, axis=2) * 255 / 16
    return np.pad(images, ((0, 0), (2, 2), (2, 2))).astype(np.uint8), y


def test_a_search_over_architecture_rate_and_optimizer_in_a_pipeline(digits):
    pipeline = make_pipeline(
        StandardScaler(),
        PCA(16, random_state=0),
        TumorCNNClassifier(max_epochs=4, random_state=0),
    )
    search = GridSearchCV(
        pipeline,
        {
            "tumorcnnclassifier__architecture": ["mlp", "linear"],
            "tumorcnnclassifier__learning_rate": [1e-6, 1e-2],
            "tumorcnnclassifier__optimizer": ["Adam", "SGD"],
        },
        cv=2,
    ).fit(*digits)
    assert search.best_params_["tumorcnnclassifier__learning_rate"] == 1e-2
    assert search.best_params_["tumorcnnclassifier__optimizer"] == "Adam"
    assert search.best_score_ > 0.7


def test_a_network_beats_a_linear_model_on_images_of_28_pixels(big_digits):
    images, target = big_digits
    network = TumorCNNClassifier(
        architecture="mobilenet", image_size=12, max_epochs=12, random_state=0
    )
    linear = SGDClassifier(loss="log_loss", random_state=0)
    scores = [
        cross_validate(classifier, X, target, cv=2, scoring=["accuracy", "neg_log_loss"])
        for classifier, X in [(network, images), (linear, images.reshape(len(images), -1) / 255)]
    ]
    accuracies = [score["test_accuracy"].mean() for score in scores]
    assert accuracies[0] > 0.9
    assert accuracies[0] > accuracies[1]
    assert scores[0]["test_neg_log_loss"].mean() > scores[1]["test_neg_log_loss"].mean()


def test_it_votes_beside_naive_bayes(digits):
    X, y = digits
    network = TumorCNNClassifier(architecture="mlp", max_epochs=10, random_state=0)
    vote = VotingClassifier([("network", network), ("bayes", ScratchGaussianNB())], voting="soft")
    vote.fit(X[:300], y[:300])
    members = [member.predict_proba(X[300:]) for member in vote.estimators_]
    np.testing.assert_allclose(vote.predict_proba(X[300:]), np.mean(members, axis=0))


def test_a_confusion_matrix_and_a_report_name_its_classes(digits):
    X, y = digits
    names = np.array([f"digit {digit}" for digit in y])
    network = TumorCNNClassifier(architecture="linear", max_epochs=5, random_state=0).fit(X, names)
    matrix = confusion_matrix(names, network.predict(X), labels=network.classes_)
    assert matrix.sum() == len(X)
    assert np.trace(matrix) / len(X) == network.score(X, names)
    assert "digit 7" in classification_report(names, network.predict(X))


def test_monitor_and_progress_bar_follow_a_search_with_two_workers(digits, capsys, callbacks):
    monitor = callbacks.ScoringMonitor(scoring="accuracy")
    network = TumorCNNClassifier(architecture="linear", max_epochs=3, random_state=0)
    network.set_callbacks(monitor)
    search = GridSearchCV(network, {"learning_rate": [1e-3, 1e-2]}, cv=2, n_jobs=2)
    search.set_callbacks(callbacks.ProgressBar(max_propagation_depth=None))
    with joblib.parallel_config("skextra", n_jobs=2):
        search.fit(*digits)
    names = [row["task_name"] for log in monitor.get_logs(select="all") for row in log.data]
    assert names.count("epoch") == 3 * (2 * 2 + 1)  # four fits of the search and the last one
    assert "TumorCNNClassifier - fit" in capsys.readouterr().out


class StopAfter:
    """Ask for a stop at the end of an epoch."""

    def __init__(self, n_epochs):
        self.n_epochs = n_epochs

    def setup(self, estimator, context):
        pass

    def teardown(self, estimator, context):
        pass

    def on_fit_task_begin(self, estimator, context):
        pass

    def on_fit_task_end(self, estimator, context):
        return context.task_name == "epoch" and estimator.n_iter_ >= self.n_epochs


def test_a_stop_that_a_callback_asks_for_is_honoured(digits, callbacks):
    network = TumorCNNClassifier(architecture="resnet", max_epochs=50, random_state=0)
    network.set_callbacks(StopAfter(2)).fit(*digits)
    assert network.n_iter_ == network.best_epoch_ == len(network.loss_curve_) == 2
    assert network.predict(digits[0]).shape == digits[1].shape


@pytest.mark.parametrize("architecture", ["sequential", "resnet"])
def test_another_process_gets_the_same_bits(digits, architecture):
    def proba():
        network = TumorCNNClassifier(architecture=architecture, max_epochs=2, random_state=0)
        return network.fit(*digits).predict_proba(digits[0])

    others = joblib.Parallel(n_jobs=2, backend="skextra")(
        joblib.delayed(proba)() for _ in range(2)
    )
    for other in others:
        assert np.array_equal(other, proba())
