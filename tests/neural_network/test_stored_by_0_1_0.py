"""Files that the code before the rooms wrote are read, or started anew."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from skextra import TumorCNNClassifier
from skextra.neural_network import load_model

STORED = Path(__file__).parent / "stored"


@pytest.fixture(scope="module")
def data():
    return np.load(STORED / "network.npz")


def test_old_pickle_predicts_and_goes_on(data):
    network = pickle.loads((STORED / "network.pickle").read_bytes())
    np.testing.assert_allclose(network.predict_proba(data["X"]), data["proba"], atol=1e-6)
    assert network.partial_fit(data["X"], data["y"]).n_iter_ > 5


def test_old_model_file_predicts(data):
    network = load_model(STORED / "network.safetensors")
    np.testing.assert_allclose(network.predict_proba(data["X"]), data["proba"], atol=1e-6)


def test_old_checkpoint_is_left_alone(data, tmp_path):
    folder = tmp_path / "checkpoints"
    shutil.copytree(STORED / "checkpoints", folder)
    [old] = folder.iterdir()
    before = old.read_bytes()
    arguments = {"architecture": "linear", "max_epochs": 5, "random_state": 0}
    network = TumorCNNClassifier(**arguments, checkpoint=folder).fit(data["X"], data["y"])
    expected = TumorCNNClassifier(**arguments).fit(data["X"], data["y"])
    assert network.loss_curve_ == expected.loss_curve_
    assert old.read_bytes() == before
