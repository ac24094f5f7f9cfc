"""What works where one extra is installed and nothing else: ``python tests/extras.py network``."""

import contextlib
import importlib.util
import sys
import tempfile
from pathlib import Path


def core():
    """Fit naive Bayes and search with a journal; what is missing is said where it is needed."""
    from joblib import parallel_config
    from sklearn.datasets import load_iris
    from sklearn.model_selection import GridSearchCV

    import skextra
    from skextra.inspection import GaussianDensityDisplay

    X, y = load_iris(return_X_y=True)
    search = GridSearchCV(skextra.ScratchGaussianNB(), {"var_smoothing": [1e-9, 1e-2]}, cv=3)
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "search.sqlite"
        with parallel_config("skextra", n_jobs=2, journal=journal):
            assert search.fit(X, y).score(X, y) > 0.9
        assert len(skextra.parallel.Journal(journal)) == 6
    if importlib.util.find_spec("torch") is None:
        with refused("skextra[network]"):
            from skextra import TumorCNNClassifier  # noqa: F401
    if importlib.util.find_spec("matplotlib") is None:
        with refused("skextra[plot]"):
            GaussianDensityDisplay.from_estimator(search.best_estimator_, X, y)
    if importlib.util.find_spec("distributed") is None:
        address = "tcp://127.0.0.1:1"
        with refused("skextra[cluster]"), parallel_config("skextra", cluster=address):
            search.fit(X, y)


@contextlib.contextmanager
def refused(extra):
    """Expect an ImportError that says how to install an extra."""
    said = ""
    try:
        yield
    except ImportError as error:
        said = str(error)
    assert f'pip install "{extra}"' in said, said


def network():
    """Train a network, store it, and read it again."""
    from sklearn.datasets import load_digits

    from skextra.neural_network import TumorCNNClassifier, load_model, save_model

    X, y = load_digits(return_X_y=True)
    classifier = TumorCNNClassifier(architecture="mlp", max_epochs=5, random_state=0).fit(X, y)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_model(classifier, path)
        assert load_model(path).score(X, y) > 0.8


def plot():
    """Draw a display, and show progress."""
    import matplotlib as mpl

    mpl.use("Agg")
    from sklearn.datasets import load_iris

    from skextra import ScratchGaussianNB
    from skextra.inspection import GaussianDensityDisplay

    X, y = load_iris(return_X_y=True)
    display = GaussianDensityDisplay.from_estimator(ScratchGaussianNB().fit(X, y), X, y)
    display.figure_.canvas.draw()


def cluster():
    """Fit a Dask array, and run tasks on a cluster."""
    import dask.array
    import joblib
    import numpy as np
    from distributed import Client, LocalCluster
    from sklearn.datasets import load_iris

    from skextra import ScratchGaussianNB

    X, y = load_iris(return_X_y=True)
    blocks = dask.array.from_array(X, chunks=(50, 4)), dask.array.from_array(y, chunks=50)
    expected = ScratchGaussianNB().fit(X, y).theta_
    np.testing.assert_allclose(ScratchGaussianNB().fit(*blocks).theta_, expected, rtol=1e-12)
    options = {"n_workers": 1, "threads_per_worker": 1, "dashboard_address": None}
    tasks = [joblib.delayed(abs)(-i) for i in range(8)]
    with LocalCluster(**options) as workers, Client(workers) as client:
        run = joblib.Parallel(backend="skextra", cluster=client)
        assert run(tasks) == list(range(8))


def dicom():
    """Read a DICOM file."""
    import numpy as np
    import pydicom

    from skextra.datasets import load_image_folder

    slice_ = pydicom.Dataset()
    slice_.file_meta = pydicom.dataset.FileMetaDataset()
    slice_.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
    slice_.SOPClassUID = slice_.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
    uid = pydicom.uid.generate_uid()
    slice_.SOPInstanceUID = slice_.file_meta.MediaStorageSOPInstanceUID = uid
    slice_.Modality, slice_.PhotometricInterpretation = "CT", "MONOCHROME2"
    slice_.Rows = slice_.Columns = 4
    slice_.BitsAllocated = slice_.BitsStored = 16
    slice_.SamplesPerPixel, slice_.HighBit, slice_.PixelRepresentation = 1, 15, 0
    slice_.PixelData = np.arange(0, 2**16, 2**12).astype("<u2").tobytes()
    with tempfile.TemporaryDirectory() as folder:
        for kind in ("healthy", "tumor"):
            (Path(folder) / kind).mkdir()
            slice_.save_as(Path(folder) / kind / "slice.dcm", enforce_file_format=True)
        assert load_image_folder(folder, image_size=4).images.shape[:3] == (2, 4, 4)


EXTRAS = {"core": [], "network": [network], "plot": [plot], "cluster": [cluster]}
EXTRAS |= {"dicom": [dicom], "all": [network, plot, cluster, dicom]}

if __name__ == "__main__":
    for part in (core, *EXTRAS[sys.argv[1]]):
        part()
        print(f"{sys.argv[1]}: {part.__name__} works", flush=True)
