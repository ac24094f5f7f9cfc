"""The network beside a plain PyTorch loop, plain skorch and scikit-learn's MLPClassifier.

Run ``python -m benchmarks.compare neural_network``; it takes about three minutes.
"""

import os
import subprocess
import sys
import tempfile
import threading
import warnings
from functools import partial
from pathlib import Path

import numpy as np
import skorch
import torch
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from torch.nn import functional

from skextra import TumorCNNClassifier
from skextra.datasets import make_brain_mri

N_SAMPLES = 192


def reference_network(size, n_classes=4):
    """Return the reference network on gray images, written as in a tutorial."""
    layers = []
    for n_in, n_out in [(1, 32), (32, 64), (64, 128)]:
        convolution = torch.nn.Conv2d(n_in, n_out, 3, padding=1)
        layers += [convolution, torch.nn.ReLU(), torch.nn.MaxPool2d(2)]
    return torch.nn.Sequential(
        *layers,
        torch.nn.Flatten(),
        torch.nn.Linear(128 * (size // 8) ** 2, 256),
        torch.nn.ReLU(),
        torch.nn.Dropout(0.5),
        torch.nn.Linear(256, n_classes),
    )


def hidden_layer(n_classes=10):
    """Return the network of ``architecture="mlp"`` on images of 8x8 pixels."""
    return torch.nn.Sequential(
        torch.nn.Flatten(),
        torch.nn.Linear(64, 256),
        torch.nn.ReLU(),
        torch.nn.Linear(256, n_classes),
    )


def as_input(X):
    """Return uint8 images as float tensors from -1 to 1."""
    return torch.from_numpy(X).unsqueeze(1).float() / 255 * 2 - 1


class PlainTorch:
    """The loop that a tutorial would write: TensorDataset, DataLoader, float images."""

    def __init__(self, module, learning_rate, n_epochs=1):
        self.module, self.learning_rate, self.n_epochs = module, learning_rate, n_epochs

    def fit(self, X, y):
        """Train."""
        codes = torch.from_numpy(np.unique(y, return_inverse=True)[1])
        data = torch.utils.data.TensorDataset(as_input(X), codes)
        optimizer = torch.optim.AdamW(self.module.parameters(), lr=self.learning_rate)
        self.module.train()
        for _ in range(self.n_epochs):
            for batch, target in torch.utils.data.DataLoader(data, batch_size=32, shuffle=True):
                optimizer.zero_grad()
                functional.cross_entropy(self.module(batch), target).backward()
                optimizer.step()
        return self

    def predict(self, X):
        """Return the codes of the most probable classes."""
        self.module.eval()
        with torch.no_grad():
            outputs = [self.module(part).argmax(1) for part in as_input(X).split(128)]
        return torch.cat(outputs).numpy()


class PlainSkorch:
    """skorch as its documentation shows it, with float images."""

    def __init__(self, module, learning_rate, n_epochs=1, **parameters):
        self.net = skorch.NeuralNetClassifier(
            module,
            criterion=torch.nn.CrossEntropyLoss,
            optimizer=torch.optim.AdamW,
            lr=learning_rate,
            max_epochs=n_epochs,
            batch_size=32,
            iterator_train__shuffle=True,
            train_split=None,
            verbose=0,
            **parameters,
        )

    def fit(self, X, y):
        """Train."""
        self.net.fit(as_input(X), np.unique(y, return_inverse=True)[1])
        return self

    def predict(self, X):
        """Return the codes of the most probable classes."""
        return self.net.predict(as_input(X))


def make_classifier(implementation, size):
    """Return one of the three implementations of the reference recipe, for one epoch."""
    torch.manual_seed(0)
    if implementation == "plain PyTorch":
        return PlainTorch(reference_network(size), 1e-4)
    if implementation == "plain skorch":
        return PlainSkorch(reference_network(size), 1e-4)
    return TumorCNNClassifier(architecture="sequential", max_epochs=1, random_state=0)


class FlatMLPClassifier(MLPClassifier):
    """scikit-learn's network on the same images, as rows from -1 to 1."""

    def fit(self, X, y):
        """Train."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # ten epochs are not enough for it
            return super().fit(as_input(X).flatten(1).numpy(), y)

    def predict(self, X):
        """Return the most probable classes."""
        return super().predict(as_input(X).flatten(1).numpy())


def make_tiny_classifier(implementation):
    """Return an implementation of 256 hidden units on 8x8 pixels, for ten epochs."""
    torch.manual_seed(0)
    if implementation == "plain PyTorch":
        return PlainTorch(hidden_layer(), 1e-3, n_epochs=10)
    if implementation == "plain skorch":
        return PlainSkorch(hidden_layer(), 1e-3, n_epochs=10)
    if implementation == "skorch without callbacks":
        return PlainSkorch(hidden_layer(), 1e-3, n_epochs=10, callbacks="disable")
    if implementation == "MLPClassifier":
        return FlatMLPClassifier((256,), max_iter=10, batch_size=32, random_state=0)
    return TumorCNNClassifier(architecture="mlp", max_epochs=10, random_state=0)


IMPLEMENTATIONS = ["TumorCNNClassifier", "plain PyTorch", "plain skorch"]


class Reference:
    """One epoch and a prediction of the reference network on gray slices."""

    params = (IMPLEMENTATIONS, [64, 128])
    param_names = ("implementation", "image_size")
    number = 1
    repeat = (3, 5, 60.0)
    warmup_time = 0

    def setup(self, implementation, image_size):
        """Make the slices and a classifier that has seen them once."""
        self.X, self.y = make_brain_mri(N_SAMPLES, image_size=image_size, random_state=0)
        self.classifier = make_classifier(implementation, image_size).fit(self.X, self.y)

    def time_epoch(self, implementation, image_size):
        """Seconds to fit one epoch."""
        self.classifier.fit(self.X, self.y)

    def time_predict(self, implementation, image_size):
        """Seconds to predict the training slices."""
        self.classifier.predict(self.X)


class Tiny:
    """Ten epochs on few digits and on all, where what surrounds the network costs more than it."""

    params = (
        [*IMPLEMENTATIONS, "skorch without callbacks", "MLPClassifier"],
        [32, 1797],
    )
    param_names = ("implementation", "n_samples")
    number = 1
    repeat = (3, 9, 20.0)
    warmup_time = 0

    def setup(self, implementation, n_samples):
        """Load the digits, as bytes, and fit once."""
        X, y = load_digits(return_X_y=True)
        self.X, self.y = (15 * X[:n_samples]).astype(np.uint8).reshape(-1, 8, 8), y[:n_samples]
        self.classifier = make_tiny_classifier(implementation).fit(self.X, self.y)

    def time_fit(self, implementation, n_samples):
        """Seconds to fit ten epochs."""
        self.classifier.fit(self.X, self.y)

    def time_predict(self, implementation, n_samples):
        """Seconds to predict the digits."""
        self.classifier.predict(self.X)


class InCompany:
    """Training and prediction beside other busy processes, so many per core."""

    params = (["resnet", "sequential", "mobilenet", "mlp", "linear"], [0, 1, 2])
    param_names = ("architecture", "busy_per_core")
    number = 1
    repeat = (3, 5, 60.0)
    warmup_time = 0
    timeout = 600

    def setup(self, architecture, busy_per_core):
        """Draw slices, fit once, and start the others."""
        self.X, self.y = make_brain_mri(128, image_size=128, random_state=0)
        self.classifier = TumorCNNClassifier(
            architecture=architecture, max_epochs=1, random_state=0
        ).fit(self.X, self.y)
        command = [sys.executable, "-c", "while True: pass"]
        n_busy = busy_per_core * len(os.sched_getaffinity(0))
        self.busy = [subprocess.Popen(command) for _ in range(n_busy)]

    def teardown(self, architecture, busy_per_core):
        """End the others."""
        for process in self.busy:
            process.kill()
            process.wait()

    def time_fit(self, architecture, busy_per_core):
        """Seconds of an epoch of 128 slices."""
        self.classifier.fit(self.X, self.y)

    def time_predict(self, architecture, busy_per_core):
        """Seconds to predict 128 slices."""
        self.classifier.predict(self.X)


class Memory:
    """One epoch on 8-bit slices of 128x128 pixels, in memory or mapped from a file."""

    params = (["memory", "file"], [10_000, 30_000])
    param_names = ("where", "n_samples")
    number = 1
    timeout = 300

    def setup(self, where, n_samples):
        """Draw the slices, a block at a time, and fit a few, so that all libraries are loaded."""
        self.folder = tempfile.TemporaryDirectory()
        shape = (n_samples, 128, 128)
        if where == "file":
            path = Path(self.folder.name, "slices")
            path.touch()
            self.X = np.memmap(path, np.uint8, "w+", shape=shape)
        else:
            self.X = np.empty(shape, np.uint8)
        rng = np.random.default_rng(0)
        for block in np.array_split(self.X, 50):
            block[:] = rng.integers(0, 256, block.shape, dtype=np.uint8)
        if where == "file":
            self.X = np.memmap(path, np.uint8, "r", shape=shape)
        self.y = np.arange(n_samples) % 4
        self.classifier = TumorCNNClassifier(architecture="linear", max_epochs=1, random_state=0)
        self.classifier.fit(self.X[:64], self.y[:64])

    def teardown(self, where, n_samples):
        """Remove the file."""
        self.folder.cleanup()

    def peakmem_fit(self, where, n_samples):
        """Memory of the process: X, all libraries, and the pages of the file that were read."""
        self.classifier.fit(self.X, self.y)

    def track_extra(self, where, n_samples):
        """MiB that the fit needs beside X and the file's pages, which the system can drop."""
        return extra_memory(lambda: self.classifier.fit(self.X, self.y))

    track_extra.unit = "MiB"


def extra_memory(run):
    """Return by how many MiB the memory of the process that no file backs grew meanwhile."""

    def measure():
        status = Path("/proc/self/status").read_text()
        return int(status.partition("RssAnon:")[2].split()[0]) / 1024

    peak = before = measure()
    is_over = threading.Event()

    def watch():
        nonlocal peak
        while not is_over.wait(0.005):
            peak = max(peak, measure())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        run()
    finally:
        is_over.set()
        watcher.join()
    return max(peak, measure()) - before


def compare(repeat=3):
    """Print what an epoch and the prediction of 1,000 slices of 128 pixels cost."""
    from benchmarks.compare import medians

    print(f"medians of {repeat}, {torch.get_num_threads()} threads; ratio to each peer")
    X, y = make_brain_mri(1000, image_size=128, random_state=0)
    classifiers = [make_classifier(name, 128) for name in IMPLEMENTATIONS]
    few, labels = X[:N_SAMPLES], y[:N_SAMPLES]
    _print_row(
        f"an epoch of {N_SAMPLES} slices, seconds",
        medians([lambda c=c: c.fit(few, labels) for c in classifiers], repeat),
    )
    _print_row(
        "predict 1,000 slices, seconds",
        medians([lambda c=c: c.predict(X) for c in classifiers], repeat),
    )
    names, counts = Tiny.params
    for n_samples in counts:
        grids = [Tiny() for _ in names]
        for grid, name in zip(grids, names, strict=True):
            grid.setup(name, n_samples)
        for doing in ("fit", "predict"):
            runs = [getattr(grid, f"time_{doing}") for grid in grids]
            _print_row(
                f"{doing} {n_samples} digits{', ten epochs' * (doing == 'fit')}, seconds",
                medians(
                    [partial(run, name, n_samples) for run, name in zip(runs, names, strict=True)],
                    3 * repeat,
                ),
                names,
            )
    print("extra memory of a fit, MiB")
    for where in Memory.params[0]:
        for n_samples in Memory.params[1]:
            memory = Memory()
            memory.setup(where, n_samples)
            extra = memory.track_extra(where, n_samples)
            memory.teardown(where, n_samples)
            print(f"    {n_samples} slices in {where:10}{extra:10.0f}", flush=True)


def _print_row(title, seconds, names=IMPLEMENTATIONS):
    print(title)
    for name, value in zip(names, seconds, strict=True):
        print(f"    {name:30}{value:10.4f}    x {seconds[0] / value:.2f}", flush=True)
