"""What a process may do before it forks, as the master of a web server does."""

import os
import subprocess
import sys

import joblib
import numpy as np
import pytest

from skextra import TumorCNNClassifier
from skextra.datasets import make_brain_mri
from skextra.neural_network import save_model

# The child of the first fork uses threads of its own. That of the second, after a prediction on
# two threads, would wait for those of its parent.
PROGRAM = """
import os, signal, sys
import joblib, numpy as np
from skextra.neural_network import load_model

folder = sys.argv[1]
X, expected = np.load(folder + "/X.npy"), np.load(folder + "/expected.npy")
models = load_model(folder + "/model.safetensors"), joblib.load(folder + "/model.joblib")
for _ in range(2):
    pid = os.fork()
    if pid == 0:
        signal.alarm(60)
        answers = [model.predict_proba(X) for model in models]
        os._exit(not np.allclose(answers, [expected, expected], atol=1e-5))
    print(os.waitpid(pid, 0)[1])
    models[0].predict(X)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork, which is POSIX's")
def test_child_predicts_by_models_read_before_fork(tmp_path):
    X, y = make_brain_mri(12, image_size=64, random_state=0)
    model = TumorCNNClassifier(max_epochs=1, random_state=0).fit(X, y)
    save_model(model, tmp_path / "model.safetensors")
    joblib.dump(model, tmp_path / "model.joblib")
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "expected.npy", model.predict_proba(X))
    program = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PROGRAM]
    environ = {**os.environ, "OMP_NUM_THREADS": "2"}
    done = subprocess.run(
        [*program, tmp_path], env=environ, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["0", "0"]
