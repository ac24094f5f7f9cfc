"""A fit publishes its result at its end: readers in other threads see whole fits only."""

import pickle
import threading

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError

from skextra import TumorCNNClassifier
from skextra.neural_network import save_model

X, Y = load_digits().images[:100], load_digits().target[:100]

WRITERS = {
    "fit": lambda model: model.fit(X, Y),
    "partial_fit": lambda model: model.partial_fit(X, Y),
}
READERS = {
    "predict": lambda model, folder: model.predict(X[:4]),
    "predict_proba": lambda model, folder: model.predict_proba(X[:4]),
    "decision_function": lambda model, folder: model.decision_function(X[:4]),
    "score": lambda model, folder: model.score(X[:4], Y[:4]),
    "pickle": lambda model, folder: pickle.dumps(model),
    "save_model": lambda model, folder: save_model(model, folder / "model"),
}


@pytest.fixture(scope="module")
def start():
    """Return the pickle of a classifier after a fit and a call of partial_fit."""
    return pickle.dumps(
        TumorCNNClassifier(max_epochs=1, random_state=0).fit(X, Y).partial_fit(X, Y)
    )


@pytest.mark.parametrize("writer", WRITERS)
@pytest.mark.parametrize("reader", READERS)
def test_readers_do_not_change_what_is_learnt(start, writer, reader, tmp_path):
    alone, served = pickle.loads(start), pickle.loads(start)
    stop, errors = threading.Event(), []

    def read():
        while not stop.is_set():
            try:
                READERS[reader](served, tmp_path)
            except Exception as error:  # whatever it is, the test shows it
                errors.append(error)

    threads = [threading.Thread(target=read) for _ in range(2)]
    for thread in threads:
        thread.start()
    for _ in range(2):
        WRITERS[writer](served)
        WRITERS[writer](alone)
    stop.set()
    for thread in threads:
        thread.join()
    assert errors == []
    assert np.array_equal(alone.predict_proba(X), served.predict_proba(X))


def test_refit_answers_by_the_last_fit_until_it_ends():
    seen = []

    def look(batch):
        seen.append(model.predict_proba(X[:5]))
        return batch

    model = TumorCNNClassifier(architecture="mlp", max_epochs=2, random_state=0).fit(X, Y)
    before = model.predict_proba(X[:5])
    model.set_params(augmentation=look, learning_rate=0.1).fit(X, Y)
    assert all(np.array_equal(before, answer) for answer in seen)
    assert not np.array_equal(before, model.predict_proba(X[:5]))


@pytest.mark.parametrize("wrong", [{"optimizer": "Adamm"}, {"init_from": "no_such_file"}])
def test_failed_first_fit_does_not_predict(wrong):
    model = TumorCNNClassifier(architecture="mlp", max_epochs=1, **wrong)
    with pytest.raises((ValueError, OSError)):
        model.fit(X, Y)
    with pytest.raises(NotFittedError):
        model.predict(X)


def test_failed_refit_answers_as_before():
    model = TumorCNNClassifier(architecture="mlp", max_epochs=1, random_state=0).fit(X, Y)
    before = model.predict_proba(X)
    with pytest.raises(ValueError, match="Adamm"):
        model.set_params(optimizer="Adamm").fit(X[:50], Y[:50] % 2)
    assert np.array_equal(model.predict_proba(X), before)


class InterruptAfter:
    """An augmentation during which the user presses Ctrl-C."""

    def __init__(self, n_batches):
        self.left = n_batches

    def __call__(self, batch):
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt
        return batch


@pytest.mark.parametrize("architecture", ["mlp", "resnet"])
@pytest.mark.parametrize("n_batches", [2, 9])
def test_interrupted_fit_predicts_saves_and_goes_on(architecture, n_batches, tmp_path):
    model = TumorCNNClassifier(
        architecture=architecture,
        batch_size=32,
        max_epochs=20,
        random_state=0,
        augmentation=InterruptAfter(n_batches),
    )
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y)
    assert model.n_iter_ == len(model.loss_curve_) == n_batches // 4
    model.set_params(augmentation=None)
    assert model.predict(X).shape == Y.shape
    save_model(model, tmp_path / "model")
    assert model.partial_fit(X, Y).n_iter_ == n_batches // 4 + 1


def test_interrupted_before_it_learnt_is_not_fitted():
    model = TumorCNNClassifier(architecture="mlp", augmentation=InterruptAfter(0))
    with pytest.raises(KeyboardInterrupt):
        model.fit(X, Y)
    with pytest.raises(NotFittedError):
        model.predict(X)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(
    "change",
    [{"architecture": "linear"}, {"dropout": 0.4}, {"image_size": 12}, {"init_from": "file"}],
)
def test_another_network_is_refused_when_going_on(method, change):
    model = TumorCNNClassifier(architecture="mlp", max_epochs=1, warm_start=True, random_state=0)
    model.fit(X, Y)
    with pytest.raises(ValueError, match=next(iter(change))):
        getattr(model.set_params(**change), method)(X, Y)


def test_changed_rate_and_decay_are_obeyed_with_the_optimizers_state():
    model = TumorCNNClassifier(architecture="mlp", random_state=0)
    model.partial_fit(X, Y, classes=np.arange(10))
    steps = next(iter(model.net_.optimizer_.state.values()))["step"].item()
    model.set_params(learning_rate=0.25, weight_decay=0.125).partial_fit(X, Y)
    (group,) = model.net_.optimizer_.param_groups
    assert (group["lr"], group["weight_decay"]) == (0.25, 0.125)
    assert next(iter(model.net_.optimizer_.state.values()))["step"].item() == 2 * steps


def test_changed_optimizer_begins_anew():
    model = TumorCNNClassifier(architecture="mlp", random_state=0)
    model.partial_fit(X, Y, classes=np.arange(10))
    model.set_params(optimizer="SGD").partial_fit(X, Y)
    assert type(model.net_.optimizer_).__name__ == model.recipe_["optimizer"] == "SGD"


def test_changed_seed_is_obeyed_by_the_next_call():
    model = TumorCNNClassifier(architecture="sequential", random_state=0)
    model.partial_fit(X, Y, classes=np.arange(10))
    other = clone(model).partial_fit(X, Y, classes=np.arange(10)).set_params(random_state=1)
    answers = [one.partial_fit(X, Y).predict_proba(X) for one in (model, other)]
    assert not np.array_equal(*answers)
