"""
Quickstart: the three parts together
====================================

A naive Bayes pipeline, a search over networks on the package's own joblib backend, and a report
with three pictures, on data that scikit-learn ships or the package makes itself:

.. code-block:: console

    python docs/examples/plot_quickstart.py

On your own scans, with one folder per class:

.. code-block:: console

    python docs/examples/plot_quickstart.py --data path/to/scans

If the scans are published as a training and a test part, give both: ``--data scans/Training
scans/Testing``. The pictures are also written as PNG files, by default to ``quickstart_output``.
This is a programming exercise on medical images and never medical advice.
"""

# %%
# The options. Without any, everything below takes half a minute on two cores.

import argparse
import sys
import time
from pathlib import Path

parser = argparse.ArgumentParser(description="skextra quickstart")
parser.add_argument(
    "--data", nargs="+", help="folder of scans, or a training and a test folder (default: "
    "synthetic slices)",
)  # fmt: skip
parser.add_argument("--categories", nargs="+", help="the folders that are classes (default: all)")
parser.add_argument("--exclude", nargs="+", help="patterns of files to leave out, such as masks")
parser.add_argument("--image-size", type=int, default=64, help="side in pixels (default: 64)")
parser.add_argument("--max-epochs", type=int, default=12, help="epochs per fit (default: 12)")
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
# If neighbouring slices of one patient, or copies of a slice with another contrast, stand on both
# sides of a split, the score measures memory. Slices whose thumbnails correlate at 0.95 or more
# form a group, and groups stay together. A test folder is used as it is, and the number of test
# slices with a near duplicate in training is printed.

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
    sizes = [len(images)]
else:
    try:
        parts = load_image_folder(
            options.data,
            image_size=options.image_size,
            categories=options.categories,
            exclude=options.exclude,
            on_error="warn",
        )
    except (OSError, ValueError) as error:
        sys.exit(f"{error}\nIn this script: --data for container_path, --categories, --exclude.")
    images = np.concatenate([part.images for part in parts])
    names = np.concatenate([part.target_names[part.target] for part in parts])
    sizes = [len(part.images) for part in parts]
print(f"\n{len(images)} slices in {time.perf_counter() - started:.1f} s")

started = time.perf_counter()
groups = near_duplicate_groups(images)
print(f"{len(np.unique(groups))} groups of near duplicates", end=" ")
print(f"in {time.perf_counter() - started:.1f} s")
if len(sizes) > 1:
    train, test = np.split(np.arange(len(images)), sizes[:1])
    report = leakage_report(images[train], images[test])
    print(f"{report.n_leaked} of {len(test)} test slices have a near duplicate in training")
else:
    splitter = StratifiedGroupKFold(n_splits=4, shuffle=True, random_state=0)
    train, test = next(splitter.split(images, names, groups))
for part, index in (("train", train), ("test", test)):
    counts = zip(*np.unique(names[index], return_counts=True), strict=True)
    print(f"  {part:5s}", ", ".join(f"{name} {count}" for name, count in counts))

# %%
# A search on two worker processes
# --------------------------------
# Softmax regression and a layer of hidden units are the baselines. The residual network, by its
# own recipe, has to beat them. The ``"skextra"`` backend runs the fits. On a terminal,
# scikit-learn's progress bar counts them.

import joblib
from sklearn.model_selection import GridSearchCV

on_terminal = sys.stdout.isatty()
search = GridSearchCV(
    TumorCNNClassifier(max_epochs=options.max_epochs, random_state=0),
    [
        {"architecture": ["linear", "mlp"], "learning_rate": [1e-3]},
        {"architecture": ["resnet"]},
    ],
    cv=StratifiedGroupKFold(n_splits=3, shuffle=True, random_state=0),
    verbose=0 if on_terminal else 3,  # a bar does not move in a log file: print lines
)
if on_terminal:
    from sklearn.callback import ProgressBar

    search.set_callbacks(ProgressBar(max_propagation_depth=0))
with joblib.parallel_config("skextra", n_jobs=2):
    search.fit(images[train], names[train], groups=groups[train])

print("\narchitecture  accuracy in cross-validation  seconds per fit")
results = search.cv_results_
for row in np.argsort(results["rank_test_score"]):
    print(
        f"{results['params'][row]['architecture']:13s} "
        f"{results['mean_test_score'][row]:.4f} +- {results['std_test_score'][row]:.4f}"
        f"{results['mean_fit_time'][row]:29.1f}"
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
# The training loss of the best architecture, fitted again on the whole training part.

from skextra.inspection import (
    ConfusionExamplesDisplay,
    PredictionGridDisplay,
    TrainingCurveDisplay,
)

options.output.mkdir(parents=True, exist_ok=True)
display = TrainingCurveDisplay.from_estimator(best)
display.figure_.savefig(options.output / "training_curve.png", dpi=120)

# %%
# Which class is taken for which, with the slice of each cell of which the network was surest.

display = ConfusionExamplesDisplay.from_estimator(best, images[test], names[test])
display.figure_.savefig(options.output / "confusion.png", dpi=120)

# %%
# Slices held out with true and predicted class: mistakes first, then slices that were told right.

display = PredictionGridDisplay.from_estimator(
    best, images[test], names[test], n_images=16, n_columns=4
)
display.figure_.savefig(options.output / "predictions.png", dpi=120)
print("\nPictures:")
for path in sorted(options.output.glob("*.png")):
    print(f"  {path}")
if options.data is None:
    print("\nNext, your own scans. What they hold, and the same job on them:")
    print("  python -m skextra.datasets path/to/scans")
    print("  python docs/examples/plot_quickstart.py --data path/to/scans")
else:
    print("\nNext: --image-size 128 --max-epochs 34, the residual network's own recipe.")

# sphinx_gallery_thumbnail_number = 2
