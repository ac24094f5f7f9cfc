"""Systems that lack what only Linux, or only POSIX, has: simulated by `other_system`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

START = """
import sitecustomize
import skextra._atomic
import skextra.parallel._journal._lock

skextra._atomic.can_rename_open_files = False
skextra.parallel._journal._lock.msvcrt = sitecustomize.msvcrt
"""


@pytest.fixture
def run(tmp_path):
    """Run a program on the simulated system and return what it prints."""
    folder = tmp_path / "site"
    folder.mkdir()
    shutil.copy(Path(__file__).with_name("other_system.py"), folder / "sitecustomize.py")

    def run(program):
        path = os.pathsep.join([str(folder), *sys.path])
        done = subprocess.run(
            [sys.executable, "-c", START + program],
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    return run


def test_backend_without_means_of_linux_runs_on_loky(run, tmp_path):
    """Journal, errors, limits in time, large arrays, and nothing left behind."""
    program = """
import os, tempfile, time
import joblib, numpy as np
from joblib import Parallel, delayed
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from skextra import ScratchGaussianNB
from skextra.parallel import Journal, TaskTimeoutError, WorkerCrashError
from skextra.parallel._scheduling._current import get_scheduler

tempfile.tempdir = os.path.abspath("temporary")
os.mkdir(tempfile.tempdir)
search = GridSearchCV(ScratchGaussianNB(), {"var_smoothing": [1e-9, 1e-3]}, cv=2)
for _ in range(2):
    with joblib.parallel_config("skextra", n_jobs=2, journal="search.sqlite"):
        print(search.fit(*load_iris(return_X_y=True)).best_score_ > 0.9)
print(len(Journal("search.sqlite")))
print(type(get_scheduler().engine).__name__)
try:
    Parallel(n_jobs=2, backend="skextra", max_retries=0)(delayed(os._exit)(3) for _ in range(2))
except WorkerCrashError as error:
    print(error.exit_code)
try:
    Parallel(n_jobs=2, backend="skextra", task_timeout=0.2)(map(delayed(time.sleep), (0, 60)))
except TaskTimeoutError:
    print("late")

def center(X):
    X -= X.mean()
    return type(X).__name__

X = np.arange(1_000_000.0)
print(set(Parallel(n_jobs=2, backend="skextra")(delayed(center)(X) for _ in range(3))), X.mean())
get_scheduler().shut_down()
deadline = time.monotonic() + 20
while os.listdir(tempfile.tempdir) and time.monotonic() < deadline:
    time.sleep(0.05)  # on a busy machine the dispatcher is not waited for
print(os.listdir(tempfile.tempdir))
"""
    expected = "True True 4 LokyEngine 3 late {'memmap'} 499999.5 []"
    assert run(program) == expected.split()


def test_everything_else_works_without_means_of_posix(run, tmp_path):
    """Naive Bayes, data in a file, a fit of a network, its file and a display."""
    program = """
import os
os.register_at_fork = lambda **functions: None  # torch asks for it wherever it was built for Linux
import torch
del os.register_at_fork
import matplotlib; matplotlib.use("Agg")
import numpy as np
from PIL import Image
from skextra import ScratchGaussianNB, TumorCNNClassifier
from skextra.datasets import load_image_folder, make_brain_mri
from skextra.inspection import PredictionGridDisplay
from skextra.neural_network import load_model, save_model

images, y = make_brain_mri(12, image_size=24, random_state=0)[:2]
print(len(ScratchGaussianNB().fit(images.reshape(len(images), -1), y).classes_) > 1)
for number, image in enumerate(images):
    os.makedirs(f"scans/{y[number]}", exist_ok=True)
    Image.fromarray(image).save(f"scans/{y[number]}/{number}.png")
with open(f"scans/{y[0]}/broken.png", "w") as file:
    file.write("no image")
options = {"image_size": (24, 24), "mmap": "images.npy", "on_error": "skip"}
data = load_image_folder("scans", **options)
try:
    load_image_folder("scans", **options)
except PermissionError as error:
    print("open" in str(error))
del data
data = load_image_folder("scans", **options)
print(type(data.images).__name__, len(data.images))
classifier = TumorCNNClassifier(max_epochs=1, device="cpu", random_state=0)
classifier.fit(data.images, data.target)
for _ in range(2):
    save_model(classifier, "model.safetensors")
loaded = load_model("model.safetensors")
print(np.array_equal(loaded.predict(data.images), classifier.predict(data.images)))
PredictionGridDisplay.from_estimator(classifier, data.images, data.target)
print(sorted(name for name in os.listdir() if name.startswith(".")))
"""
    assert run(program) == ["True", "True", "memmap", "12", "True", "[]"]
