"""A fit that is killed goes on where it was, to the same bits."""

import importlib
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.model_selection import GridSearchCV

from skextra import TumorCNNClassifier
from skextra.neural_network._networks._architectures import ARCHITECTURES
from skextra.neural_network._training._checkpoint import Checkpoint


@pytest.fixture(scope="module")
def digits():
    images, target = load_digits(return_X_y=True)
    return images.reshape(-1, 8, 8)[:120], target[:120]


@pytest.fixture
def interrupt(monkeypatch):
    """Return a function that fits, with a Ctrl-C of the user's at the end of the first epoch."""
    save = Checkpoint.save

    def save_and_interrupt(self, state):
        save(self, state)
        raise KeyboardInterrupt

    def fit(classifier, *arrays):
        with monkeypatch.context() as patch:
            patch.setattr(Checkpoint, "save", save_and_interrupt)
            with pytest.raises(KeyboardInterrupt):
                classifier.fit(*arrays)

    return fit


def epochs_trained(capsys):
    """Return how many epochs a verbose fit has trained since this was called last."""
    return sum(line.startswith("epoch ") for line in capsys.readouterr().out.splitlines())


PROGRAM = """
import sys
from sklearn.datasets import load_digits
from skextra import TumorCNNClassifier
images, target = load_digits(return_X_y=True)
TumorCNNClassifier(
    architecture="resnet", max_epochs=30, checkpoint=sys.argv[1], random_state=0
).fit(images.reshape(-1, 8, 8)[:120], target[:120])
"""


def test_a_fit_that_was_killed_ends_with_the_bits_of_an_undisturbed_one(digits, tmp_path, capsys):
    program = subprocess.Popen([sys.executable, "-c", PROGRAM, str(tmp_path)])
    try:
        deadline = time.monotonic() + 100
        while not list(tmp_path.glob("fit-*.ckpt")):
            assert program.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        program.send_signal(signal.SIGKILL)
        program.wait()
    (path,) = tmp_path.glob("fit-*.ckpt")
    stopped_after = torch.load(path, weights_only=True)["epoch"]
    assert 1 <= stopped_after < 30
    undisturbed = TumorCNNClassifier(architecture="resnet", max_epochs=30, random_state=0)
    undisturbed.fit(*digits)
    resumed = clone(undisturbed).set_params(checkpoint=tmp_path, verbose=1)
    resumed.fit(*digits)
    assert epochs_trained(capsys) == 30 - stopped_after
    assert resumed.loss_curve_ == undisturbed.loss_curve_
    assert same_bits(resumed, undisturbed)
    assert list(tmp_path.iterdir()) == []


def same_bits(classifier, other):
    """Return whether all weights and buffers of two classifiers are equal to the last bit."""
    state, others = (fitted.net_.module_.state_dict() for fitted in (classifier, other))
    return state.keys() == others.keys() and all(
        torch.equal(value, others[name]) for name, value in state.items()
    )


@pytest.mark.parametrize(
    "parameters",
    [
        {"architecture": "resnet", "augmentation": "affine"},
        {"early_stopping": True, "n_iter_no_change": 3, "lr_scheduler": "CosineAnnealingLR"},
        {"architecture": "mlp", "optimizer": "SGD", "lr_scheduler": "ReduceLROnPlateau"},
    ],
)
def test_a_fit_that_goes_on_has_the_bits_of_an_undisturbed_one(
    digits, tmp_path, interrupt, capsys, parameters
):
    classifier = TumorCNNClassifier(max_epochs=4, random_state=0).set_params(**parameters)
    expected = classifier.fit(*digits)
    stopped = TumorCNNClassifier(max_epochs=4, random_state=0, checkpoint=tmp_path)
    interrupt(stopped.set_params(**parameters), *digits)
    assert len(list(tmp_path.iterdir())) == 1
    resumed = TumorCNNClassifier(max_epochs=4, random_state=0, checkpoint=str(tmp_path))
    resumed.set_params(verbose=1, **parameters).fit(*digits)
    assert epochs_trained(capsys) == expected.n_iter_ - 1  # the first was not trained again
    assert same_bits(resumed, expected)
    assert resumed.loss_curve_ == expected.loss_curve_
    assert resumed.validation_scores_ == expected.validation_scores_
    assert resumed.best_epoch_ == expected.best_epoch_
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("change", ["data", "label", "parameter", "weights", "recipe"])
def test_another_fit_does_not_go_on_from_a_foreign_state(
    digits, tmp_path, monkeypatch, interrupt, capsys, change
):
    images, target = digits[0].copy(), digits[1].copy()
    stopped = TumorCNNClassifier(
        architecture="mlp", max_epochs=3, random_state=0, checkpoint=tmp_path
    )
    interrupt(stopped, images, target)
    (left,) = tmp_path.iterdir()
    parameters, weights = {}, np.ones(len(target))
    if change == "data":
        images[0, 0, 0] += 1
    elif change == "label":
        target[0] = (target[0] + 1) % 10
    elif change == "weights":
        weights[0] = 2
    elif change == "recipe":  # of another version of the package, or another machine
        factory, recipe = ARCHITECTURES["mlp"]
        changed = replace(recipe, warm_up=recipe.warm_up / 2)
        monkeypatch.setitem(ARCHITECTURES, "mlp", (factory, changed))
    else:
        parameters = {"learning_rate": 0.002}
    other = clone(stopped).set_params(verbose=1, **parameters)
    other.fit(images, target, sample_weight=weights)
    assert epochs_trained(capsys) == 3
    assert list(tmp_path.iterdir()) == [left]


def test_a_state_that_cannot_be_read_is_told_and_the_fit_starts_anew(digits, tmp_path, interrupt):
    stopped = TumorCNNClassifier(
        architecture="mlp", max_epochs=2, random_state=0, checkpoint=tmp_path
    )
    interrupt(stopped, *digits)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.warns(UserWarning, match=r"fit-.*cannot be read and is written anew"):
        stopped.fit(*digits)
    assert stopped.n_iter_ == 2


def test_a_checkpoint_without_a_fixed_seed_is_refused(digits, tmp_path):
    with pytest.raises(ValueError, match="needs an integer random_state"):
        TumorCNNClassifier(checkpoint=tmp_path).fit(*digits)


def test_the_fits_of_a_search_have_a_file_each(digits, tmp_path):
    search = GridSearchCV(
        TumorCNNClassifier(
            architecture="linear", max_epochs=2, random_state=0, checkpoint=tmp_path
        ),
        {"learning_rate": [1e-3, 1e-2]},
        cv=2,
    ).fit(*digits)
    without = GridSearchCV(
        TumorCNNClassifier(architecture="linear", max_epochs=2, random_state=0),
        {"learning_rate": [1e-3, 1e-2]},
        cv=2,
    ).fit(*digits)
    assert np.array_equal(
        search.cv_results_["mean_test_score"], without.cv_results_["mean_test_score"]
    )
    assert list(tmp_path.iterdir()) == []


NETWORK = """
import torch

class Flat(torch.nn.Module):
    def __init__(self, image_shape, n_classes):
        super().__init__()
        self.head = torch.nn.Linear(64, n_classes)

    def forward(self, images):
        return {} * self.head(images.flatten(1))
"""


def test_module_edited_after_import_is_refused(digits, tmp_path, monkeypatch):
    """Its code in memory would be taken for that of its file."""
    file = tmp_path / "users_network.py"
    file.write_text(NETWORK.format(1))
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("users_network")
    monkeypatch.setitem(sys.modules, "users_network", module)
    classifier = TumorCNNClassifier(
        architecture=module.Flat, max_epochs=1, random_state=0, checkpoint=tmp_path / "folder"
    )
    classifier.fit(*digits)
    time.sleep(0.01)  # the clock of files is a few milliseconds coarse
    file.write_text(NETWORK.format(2))
    with pytest.raises(ValueError, match="checkpoint: the module users_network may run"):
        classifier.fit(*digits)
    importlib.reload(module)
    classifier.set_params(architecture=module.Flat).fit(*digits)
