"""What the commit before the rooms (b0ea506) wrote can still be read.

`files/` holds a fit of bytes and two calls to `partial_fit` of features, both of
``architecture="linear"`` on the first 60 digits, and what they answered.
"""

import pickle
import pickletools
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.datasets import load_digits

from skextra import TumorCNNClassifier
from skextra.neural_network import load_model

FILES = Path(__file__).parent / "files"


def rows(name):
    images = load_digits().images[:60]
    return images.astype(np.uint8) if name == "fit" else images.reshape(60, -1)


@pytest.mark.filterwarnings("ignore:X has pixels from 0 to 16, in a small part")
@pytest.mark.parametrize("name", ["fit", "partial_fit"])
@pytest.mark.parametrize("read", ["pickle", "safetensors"])
def test_older_model_answers_as_it_did(name, read):
    path = FILES / f"{name}.{read}"
    model = pickle.loads(path.read_bytes()) if read == "pickle" else load_model(path)
    expected = np.load(FILES / f"{name}.npy")
    assert_allclose(model.decision_function(rows(name)), expected, rtol=1e-5, atol=1e-6)
    again = pickle.loads(pickle.dumps(model))
    for one in (model, again):
        one.partial_fit(rows(name), one.classes_[load_digits().target[:60] % 3])
    assert np.array_equal(again.predict_proba(rows(name)), model.predict_proba(rows(name)))


@pytest.mark.filterwarnings("ignore:X has pixels from 0 to 16, in a small part")
def test_older_partial_fit_keeps_its_optimizer():
    model = pickle.loads((FILES / "partial_fit.pickle").read_bytes())
    assert len(model.net_.optimizer_.state) == 2


def test_older_checkpoint_is_not_taken_for_this_fit(tmp_path):
    (left,) = FILES.glob("fit-*.ckpt")
    (tmp_path / left.name).write_bytes(left.read_bytes())
    X, y = rows("fit"), load_digits().target[:60] % 3
    fits = [
        TumorCNNClassifier(architecture="linear", max_epochs=4, random_state=0, checkpoint=folder)
        .fit(X, y)
        .predict_proba(X)
        for folder in (tmp_path, None)
    ]
    assert np.array_equal(*fits)


@pytest.mark.parametrize("architecture", ["linear", "resnet"])
def test_pickle_names_one_private_module_only(architecture):
    X, y = rows("fit"), load_digits().target[:60] % 3
    model = TumorCNNClassifier(architecture=architecture, random_state=0)
    content = pickle.dumps(model.partial_fit(X, y, classes=[0, 1, 2]))
    names = [argument for _, argument, _ in pickletools.genops(content)]
    modules = {name for name in names if isinstance(name, str) and name.startswith("skextra.")}
    assert modules == {"skextra.neural_network._tumor_cnn"}
