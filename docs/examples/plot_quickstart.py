"""
Quickstart: the three parts together
====================================

A naive Bayes pipeline, a search over convolutional networks on the package's own joblib backend,
and a report with pictures, on data that scikit-learn ships or the package makes itself:

.. code-block:: console

    python docs/examples/plot_quickstart.py

On a folder of real scans, either one folder a class or a ``Training`` and a ``Testing`` folder
that each have one folder a class:

.. code-block:: console

    python docs/examples/plot_quickstart.py --data path/to/scans --image-size 64 --max-epochs 10

The pictures are also written as PNG files, by default to ``quickstart_output``. This is a
programming exercise on medical images and never medical advice.
"""

# %%
# The options. Without any, everything below runs in under a minute on two cores.

import argparse
import sys
import time
from pathlib import Path

parser = argparse.ArgumentParser(description="skextra quickstart")
parser.add_argument("--data", type=Path, help="folder of scans (default: synthetic slices)")
parser.add_argument("--image-size", type=int, default=64, help="side in pixels (default: 64)")
parser.add_argument("--max-epochs", type=int, default=20, help="epochs a fit (default: 20)")
parser.add_argument("--output", type=Path, default=Path("quickstart_output"), help="for pictures")
options = parser.parse_args()

# %%
# Naive Bayes in a pipeline
# -------------------------
# ``ScratchGaussianNB`` drops in where ``GaussianNB`` stands and gives the same answers.

from sklearn.datasets import load_breast_cancer
from sklearn.model_selection import cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skextra import ScratchGaussianNB, TumorCNNClassifier

X, y = load_breast_cancer(return_X_y=True)
print("Breast cancer data, accuracy over 10 folds")
for classifier in (ScratchGaussianNB(), GaussianNB()):
    scores = cross_val_score(make_pipeline(StandardScaler(), classifier), X, y, cv=10)
    print(f"  {type(classifier).__name__:20s} {scores.mean():.4f} +- {scores.std():.4f}")

# %%
# Slices to train on and slices to judge by
# -----------------------------------------
# Neighbouring slices of one patient, or copies of a slice with another contrast, must not stand
# on both sides of a split: a network would be praised for its memory. Slices whose thumbnails
# correlate at 0.95 or more form a group, and groups stay together. Where the folder brings its
# own test part, it is used as it is, and the number of test slices with a twin in training is
# printed.

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

from skextra.datasets import (
    leakage_report,
    load_image_folder,
    make_brain_mri,
    near_duplicate_groups,
)

started = time.perf_counter()
if options.data is None:
    images, names = make_brain_mri(600, image_size=options.image_size, random_state=0)
elif (options.data / "Training").is_dir() and (options.data / "Testing").is_dir():
    parts = load_image_folder(
        [options.data / "Training", options.data / "Testing"], image_size=options.image_size
    )
    n_training = len(parts[0].images)
    images = np.concatenate([part.images for part in parts])
    names = np.concatenate([part.target_names[part.target] for part in parts])
else:
    scans = load_image_folder(options.data, image_size=options.image_size)
    images, names = scans.images, scans.target_names[scans.target]
print(f"\n{len(images)} slices in {time.perf_counter() - started:.1f} s")

started = time.perf_counter()
groups = near_duplicate_groups(images)
print(f"{len(np.unique(groups))} groups of near duplicates", end=" ")
print(f"in {time.perf_counter() - started:.1f} s")
if options.data is not None and "n_training" in globals():
    train, test = np.arange(n_training), np.arange(n_training, len(images))
    report = leakage_report(images[train], images[test])
    print(f"{report.n_leaked} of {len(test)} test slices have a near duplicate in Training")
else:
    splitter = StratifiedGroupKFold(n_splits=4, shuffle=True, random_state=0)
    train, test = next(splitter.split(images, names, groups))
for part, index in (("train", train), ("test", test)):
    counts = zip(*np.unique(names[index], return_counts=True), strict=True)
    print(f"  {part:5s}", ", ".join(f"{name} {count}" for name, count in counts))

# %%
# A search on two worker processes
# --------------------------------
# Softmax regression on the pixels is the baseline; the residual network has to beat it. The
# ``"skextra"`` backend runs the fits, and scikit-learn's progress bar follows every epoch.

import joblib
from sklearn.callback import ProgressBar
from sklearn.model_selection import GridSearchCV

search = GridSearchCV(
    TumorCNNClassifier(max_epochs=options.max_epochs, random_state=0),
    {"architecture": ["linear", "resnet"], "learning_rate": [1e-3, 3e-3]},
    cv=StratifiedGroupKFold(n_splits=3, shuffle=True, random_state=0),
    verbose=0 if sys.stdout.isatty() else 3,  # a bar does not move in a log file: print lines
).set_callbacks(ProgressBar())
with joblib.parallel_config("skextra", n_jobs=2):
    search.fit(images[train], names[train], groups=groups[train])

print("\narchitecture  learning rate  accuracy in cross-validation   seconds a fit")
results = search.cv_results_
for row in np.argsort(results["rank_test_score"]):
    parameters = results["params"][row]
    print(
        f"{parameters['architecture']:13s} {parameters['learning_rate']:<14g} "
        f"{results['mean_test_score'][row]:.4f} +- {results['std_test_score'][row]:.4f}"
        f"{results['mean_fit_time'][row]:24.1f}"
    )

# %%
# The report on slices held out
# -----------------------------

from sklearn.metrics import classification_report, confusion_matrix

best = search.best_estimator_
predicted = best.predict(images[test])
print(f"\nBest: {search.best_params_}; on {len(test)} slices held out:\n")
print(classification_report(names[test], predicted, digits=4, zero_division=0))
print("Confusion matrix (rows: true class, columns: predicted)")
print(confusion_matrix(names[test], predicted, labels=best.classes_))

# %%
# Pictures
# --------
# The training loss of the best parameters, fitted again on the whole training part.

from skextra.inspection import PredictionGridDisplay, TrainingCurveDisplay

options.output.mkdir(parents=True, exist_ok=True)
display = TrainingCurveDisplay.from_estimator(best)
display.figure_.savefig(options.output / "training_curve.png", dpi=120)

# %%
# Slices held out with true and predicted class: mistakes first, then slices that were told right.

display = PredictionGridDisplay.from_estimator(
    best, images[test], names[test], n_images=16, n_columns=4
)
display.figure_.savefig(options.output / "predictions.png", dpi=120)
print(f"\nPictures: {', '.join(str(path) for path in sorted(options.output.glob('*.png')))}")
