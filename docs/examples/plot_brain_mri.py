"""
From a folder of scans to an honest report
==========================================

What is in the folder, what leaks between the parts of a split, how good the network is where
nothing leaks, how far its probabilities can be believed, where it errs and where it looks. Without
options on slices that the package draws; on a folder that holds one folder per class:

.. code-block:: console

    python docs/examples/plot_brain_mri.py --data path/to/scans --image-size 128 --max-epochs auto

This is a programming exercise on medical images and never medical advice.
"""

# %%
# The options. Without any, everything below takes about half a minute on two cores.

import argparse
import sys

parser = argparse.ArgumentParser(description="A report on a folder of scans")
parser.add_argument("--data", help="folder of scans (default: synthetic slices)")
parser.add_argument("--image-size", type=int, default=64, help="side in pixels (default: 64)")
parser.add_argument("--max-epochs", default="15", help="epochs per fit, or auto (default: 15)")
options = parser.parse_args()
max_epochs = options.max_epochs if options.max_epochs == "auto" else int(options.max_epochs)

# %%
# The folder
# ----------
# The synthetic set is made as public ones are: a third of its slices are copies of others, at
# another contrast and with other noise.

import numpy as np

from skextra.datasets import load_image_folder, make_brain_mri

if options.data is not None:
    scans = load_image_folder(options.data, image_size=options.image_size, n_jobs=2, verbose=1)
    X, y = scans.images, scans.target_names[scans.target]
else:
    X, y = make_brain_mri(600, image_size=options.image_size, random_state=0)
    rng = np.random.default_rng(0)
    copied = rng.choice(len(X), 300)
    copies = X[copied] * rng.uniform(0.5, 1.0, (300, 1, 1)) + rng.normal(0, 6, (300, *X.shape[1:]))
    X = np.concatenate([X, np.clip(copies, 0, 255).astype(np.uint8)])
    y = np.concatenate([y, y[copied]])
print(f"{len(X)} slices of {X.shape[1]}x{X.shape[2]} pixels")
for name, count in zip(*np.unique(y, return_counts=True), strict=True):
    print(f"  {name:12s}{count:6d}   mean brightness {X[y == name].mean():6.1f}")

# %%
# What a plain split leaks
# ------------------------
# A random split puts many slices into the test whose near duplicate is in training. The pairs that
# are most alike, each test slice above its twin:

from sklearn.model_selection import StratifiedGroupKFold, train_test_split

from skextra.datasets import leakage_report, near_duplicate_groups

rows = np.arange(len(X))
naive = train_test_split(rows, test_size=0.2, stratify=y, random_state=0)
report = leakage_report(X[naive[0]], X[naive[1]])
print(str(report).splitlines()[0])
report.plot()

# %%
# Groups of near duplicates stay on one side of the honest split.

groups = near_duplicate_groups(X)
honest = next(StratifiedGroupKFold(5, shuffle=True, random_state=0).split(X, y, groups))
report = leakage_report(X[honest[0]], X[honest[1]])
print(f"{len(np.unique(groups))} groups; test slices with a twin in training: {report.n_leaked}")

# %%
# Training
# --------
# The residual network, once for each split; scikit-learn's progress bar follows the epochs where
# there is a terminal. Beside it stands the nearest neighbour, which is memory and nothing else:
# what it loses between the splits is what leaked.

from sklearn.callback import ProgressBar
from sklearn.neighbors import KNeighborsClassifier

from skextra import TumorCNNClassifier

scores = {}
for split, (train, test) in {"naive": naive, "honest": honest}.items():
    classifier = TumorCNNClassifier(architecture="resnet", max_epochs=max_epochs, random_state=0)
    if sys.stdout.isatty():
        classifier.set_callbacks(ProgressBar())
    classifier.fit(X[train], y[train])
    neighbour = KNeighborsClassifier(1).fit(X[train].reshape(len(train), -1), y[train])
    scores["resnet", split] = classifier.score(X[test], y[test])
    scores["1-nearest neighbour", split] = neighbour.score(X[test].reshape(len(test), -1), y[test])
print("accuracy              naive   honest")
for name in ("resnet", "1-nearest neighbour"):
    print(f"{name:20s}{scores[name, 'naive']:8.1%}{scores[name, 'honest']:8.1%}")

# %%
# The confusion matrix on the honest split
# ----------------------------------------

import matplotlib.pyplot as plt
from sklearn.metrics import ConfusionMatrixDisplay

X_test, y_test = X[honest[1]], y[honest[1]]
ConfusionMatrixDisplay.from_estimator(classifier, X_test, y_test, cmap="Blues", colorbar=False)
plt.tight_layout()

# %%
# Can the probabilities be believed?
# ----------------------------------
# Of the slices to which the network gives a probability of 0.8 for its answer, 80 % should be
# right. The curve is over the probability of the answer, whatever class it is; the bars count the
# slices.

from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss

probability = classifier.predict_proba(X_test)
confidence = probability.max(axis=1)
right = classifier.predict(X_test) == y_test
observed, stated = calibration_curve(right, confidence, n_bins=6, strategy="quantile")
print(f"log-loss {log_loss(y_test, probability, labels=classifier.classes_):.3f}")
figure, (above, below) = plt.subplots(
    2, 1, figsize=(5, 5), sharex=True, height_ratios=[3, 1], layout="constrained"
)
above.plot([0, 1], [0, 1], color="0.6", linestyle="--", label="as stated")
above.plot(stated, observed, marker="o", color="C0", label="resnet")
above.set(ylabel="share that is right", xlim=(0, 1.02), ylim=(0, 1.02))
above.legend()
below.hist(confidence, bins=20, range=(0, 1), color="C0")
below.set(xlabel="probability of the answer", ylabel="slices")

# %%
# Where it errs
# -------------
# Mistakes come first, in thick frames, beginning with those of the highest confidence.

from skextra.inspection import PredictionGridDisplay, SaliencyDisplay

PredictionGridDisplay.from_estimator(classifier, X_test, y_test, n_images=16, n_columns=8)

# %%
# Where it looks
# --------------
# A slice of each class that was told right, and how much each place speaks for the class: what the
# answer loses where a patch is covered. The last maps of this network are too coarse for Grad-CAM.

shown = [np.flatnonzero(right & (y_test == name))[0] for name in classifier.classes_]
SaliencyDisplay.from_estimator(classifier, X_test[shown], y_test[shown], method="occlusion")
plt.show()
