"""Models in files that hold no code."""

import functools
import json
import pickle

import joblib
import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from safetensors import safe_open
from sklearn.datasets import load_digits

from skextra import TumorCNNClassifier
from skextra.neural_network import load_model, save_model


@pytest.fixture(scope="module")
def digits():
    images, target = load_digits(return_X_y=True)
    return images.reshape(-1, 8, 8)[:100], target[:100]


@pytest.fixture(scope="module")
def fitted(digits):
    classifier = TumorCNNClassifier(architecture="mlp", max_epochs=2, random_state=0)
    return classifier.fit(*digits)


class Net(torch.nn.Module):
    def __init__(self, image_shape, n_classes):
        super().__init__()
        self.linear = torch.nn.Linear(image_shape[0] * image_shape[1], n_classes)
        self.tied = self.linear  # two names of one layer

    def forward(self, images):
        return self.tied(images.flatten(1))


@pytest.mark.parametrize(
    "parameters",
    [
        {"architecture": "sequential", "early_stopping": True},
        {"architecture": "resnet", "image_size": 12, "augmentation": "affine"},
        {"architecture": "mobilenet", "class_weight": {"digit 0": 2.0}},
        {"architecture": "linear", "lr_scheduler": None, "learning_rate": np.float32(0.01)},
    ],
)
@pytest.mark.parametrize("suffix", ["uint8", "float", "features"])
def test_a_model_from_a_file_predicts_the_same_bits_and_goes_on_alike(
    digits, tmp_path, parameters, suffix
):
    images, target = digits
    X = {
        "uint8": images.astype(np.uint8),
        "float": images,
        "features": images[:, :, ::2].reshape(len(images), -1),
    }[suffix]
    names = np.array([f"digit {digit}" for digit in target])
    classifier = TumorCNNClassifier(max_epochs=2, random_state=0).set_params(**parameters)
    classifier.fit(X, names)
    save_model(classifier, tmp_path / "model.safetensors")
    again = load_model(tmp_path / "model.safetensors")
    assert np.array_equal(again.predict_proba(X), classifier.predict_proba(X))
    assert np.array_equal(again.predict(X), classifier.predict(X))
    assert again.get_params() == classifier.get_params()
    for name in ("recipe_", "loss_curve_", "validation_scores_", "n_iter_", "best_epoch_"):
        assert getattr(again, name) == getattr(classifier, name), name
    for model in (again, classifier):
        model.partial_fit(X[:20], names[:20])
    assert np.array_equal(again.predict_proba(X), classifier.predict_proba(X))


@pytest.mark.parametrize(
    "labels",
    [
        np.array([3, -1, 7]),
        np.array([1.0, 2.0, 5.0]),
        np.array(["no tumor", "glioma", "ä"]),
        np.array(["no tumor", "glioma", "ä"], dtype=object),
        np.array([True, False, True]),
        np.array([1, 1, 1], dtype=np.uint8),
    ],
)
def test_classes_come_back_with_their_type(digits, tmp_path, labels):
    images, target = digits
    classifier = TumorCNNClassifier(architecture="linear", max_epochs=1, random_state=0)
    classifier.fit(images, labels[target % 3])
    save_model(classifier, tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert again.classes_.dtype == classifier.classes_.dtype
    assert np.array_equal(again.predict(images), classifier.predict(images))


def test_names_of_columns_come_back(tmp_path):
    table = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 3)), columns=["a", "b", "c"])
    classifier = TumorCNNClassifier(architecture="linear", max_epochs=1, random_state=0)
    save_model(classifier.fit(table, np.arange(20) % 2), tmp_path / "model")
    again = load_model(tmp_path / "model")
    assert np.array_equal(again.predict_proba(table), classifier.predict_proba(table))
    with pytest.raises(ValueError, match="feature names"):
        again.predict(table[["b", "a", "c"]])


def test_a_module_of_the_users_is_named_in_the_file_and_given_when_reading(digits, tmp_path):
    classifier = TumorCNNClassifier(architecture=Net, max_epochs=1, random_state=0).fit(*digits)
    save_model(classifier, tmp_path / "model")
    with pytest.raises(ValueError, match=r"class .*Net.*give it as architecture="):
        load_model(tmp_path / "model")
    with pytest.raises(ValueError, match="does not hold what a model needs"):
        load_model(tmp_path / "model", architecture=torch.nn.Bilinear)
    again = load_model(tmp_path / "model", architecture=Net)
    assert np.array_equal(again.predict_proba(digits[0]), classifier.predict_proba(digits[0]))


def test_an_architecture_that_the_file_does_not_need_is_refused(fitted, tmp_path):
    save_model(fitted, tmp_path / "model")
    with pytest.raises(ValueError, match="architecture 'mlp', which needs no class"):
        load_model(tmp_path / "model", architecture=Net)


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("optimizer", functools.partial(torch.optim.SGD, momentum=0.9)),
        ("augmentation", torch.nn.Identity()),
        ("random_state", np.random.RandomState(0)),
    ],
)
def test_what_cannot_be_written_without_code_is_named(digits, tmp_path, parameter, value):
    classifier = TumorCNNClassifier(architecture="linear", max_epochs=1, random_state=0)
    classifier.set_params(**{parameter: value}).fit(*digits)
    with pytest.raises(ValueError, match=f"{parameter}=.*cannot be written without code"):
        save_model(classifier, tmp_path / "model")
    assert list(tmp_path.iterdir()) == []


def test_only_fitted_classifiers_of_this_kind_are_written(tmp_path):
    with pytest.raises(TypeError, match="takes a TumorCNNClassifier"):
        save_model(object(), tmp_path / "model")
    with pytest.raises(ValueError, match="not fitted"):
        save_model(TumorCNNClassifier(), tmp_path / "model")


def test_a_changed_byte_anywhere_is_noticed(fitted, tmp_path):
    """The order of what the header holds changes from run to run: try all parts of it."""
    path = tmp_path / "model"
    save_model(fitted, path)
    whole = path.read_bytes()
    end_of_header = 8 + int.from_bytes(whole[:8], "little")
    for place in [*range(8), *range(8, end_of_header, 5), end_of_header, -40_000, -1]:
        content = bytearray(whole)
        content[place] ^= 1
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"is damaged|holds tensors, but no model"):
            load_model(path)


@pytest.mark.parametrize("length", [0, 4, 100, -1])
def test_a_file_that_was_cut_off_is_refused(fitted, tmp_path, length):
    path = tmp_path / "model"
    save_model(fitted, path)
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(ValueError, match="is damaged"):
        load_model(path)


def test_foreign_files_are_refused_and_nothing_in_them_runs(fitted, tmp_path):
    path = tmp_path / "model"
    path.write_bytes(pickle.dumps(fitted))
    with pytest.raises(ValueError, match=r"no file of save_model.*pickle is read by joblib"):
        load_model(path)
    safetensors.torch.save_file({"weights": torch.zeros(2)}, path)
    with pytest.raises(ValueError, match="no model that save_model has written"):
        load_model(path)
    with pytest.raises(FileNotFoundError):
        load_model(tmp_path / "nothing")


def test_a_newer_format_says_which_version_wrote_it(fitted, tmp_path):
    path = tmp_path / "model"
    save_model(fitted, path)
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    safetensors.torch.save_file(
        {}, path, {**metadata, "skextra": "2", "written_by": "skextra 9.0"}
    )
    with pytest.raises(ValueError, match=r"skextra 9\.0 in format 2; this version reads format 1"):
        load_model(path)


def test_a_file_of_ours_without_what_a_model_needs_is_refused(fitted, tmp_path):
    path = tmp_path / "model"
    save_model(fitted, path)
    from skextra.neural_network._tensor_file import _digest

    text = json.dumps({"parameters": {"architecture": "mlp"}})
    metadata = {"skextra": "1", "model": text}
    safetensors.torch.save_file({}, path, {**metadata, "sha256": _digest(metadata, {})})
    with pytest.raises(ValueError, match="does not hold what a model needs"):
        load_model(path)


def test_a_write_that_fails_leaves_the_old_file(fitted, tmp_path, monkeypatch):
    path = tmp_path / "model"
    save_model(fitted, path)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_model(fitted, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_pickles_of_a_fit_carry_no_optimizer_and_those_of_partial_fit_do(digits, tmp_path):
    images, target = digits
    classifier = TumorCNNClassifier(optimizer="AdamW", random_state=0, max_epochs=1).fit(
        images, target
    )
    n_bytes = sum(weights.numel() * 4 for weights in classifier.net_.module_.parameters())
    assert len(pickle.dumps(classifier)) < n_bytes * 1.2 + 50_000
    classifier.partial_fit(images, target)
    assert len(pickle.dumps(classifier)) > n_bytes * 3
    joblib.dump(classifier, tmp_path / "model.joblib")
    again = joblib.load(tmp_path / "model.joblib")
    for model in (classifier, again):
        model.partial_fit(images, target)
    assert np.array_equal(again.predict_proba(images), classifier.predict_proba(images))


def test_a_random_state_is_left_alone_when_a_model_is_read(fitted, tmp_path):
    save_model(fitted, tmp_path / "model")
    before = torch.random.get_rng_state()
    load_model(tmp_path / "model")
    assert torch.equal(torch.random.get_rng_state(), before)
