"""
How a network was trained, where it errs, and why
=================================================

Six pictures of one small network on synthetic slices: its training, its mistakes, whether its
probabilities can be believed, and what its answers rest on. The slices are drawn by
:func:`~skextra.datasets.make_brain_mri`: a programming exercise, and never medical advice.
"""

from skextra import TumorCNNClassifier
from skextra.datasets import make_brain_mri

X, y = make_brain_mri(700, image_size=40, random_state=0)
X_train, X_test, y_train, y_test = X[:500], X[500:], y[:500], y[500:]
classifier = TumorCNNClassifier(
    architecture="sequential",
    max_epochs=8,
    learning_rate=1e-3,
    lr_scheduler="OneCycleLR",
    early_stopping=True,
    random_state=0,
).fit(X_train, y_train)
print(f"accuracy on slices held out: {classifier.score(X_test, y_test):.1%}")

# %%
# How the training went
# ---------------------
# The loss falls, the accuracy on the part held out rises, and the learning rate goes up and down
# as its schedule says. The weights of the epoch at the dashed line were kept.

from skextra.inspection import TrainingCurveDisplay

TrainingCurveDisplay.from_estimator(classifier)

# %%
# Where it errs
# -------------
# Mistakes come first, in thick frames, beginning with those of the highest confidence.

from skextra.inspection import PredictionGridDisplay

PredictionGridDisplay.from_estimator(classifier, X_test, y_test, n_images=24)

# %%
# Which classes are taken for each other
# --------------------------------------
# A confusion matrix with an image in each cell: the one predicted with the highest confidence.

from skextra.inspection import ConfusionExamplesDisplay

ConfusionExamplesDisplay.from_estimator(classifier, X_test, y_test)

# %%
# Whether its probabilities can be believed
# -----------------------------------------
# Bars on the diagonal would mean that of the answers given with 80 % confidence, 80 % are right.
# The title has the expected calibration error, the legend that of each class.

from skextra.inspection import ReliabilityDisplay

ReliabilityDisplay.from_estimator(classifier, X_test, y_test, n_bins=10)

# %%
# What its answers rest on: Grad-CAM
# ----------------------------------
# One slice of each class that was told right. Below, the brighter the colour, the more that place
# speaks for the class; the line runs at half of the map's maximum. Where there is no tumour,
# there is no one place to point at.

import numpy as np

from skextra.inspection import SaliencyDisplay

right = classifier.predict(X_test) == y_test
shown = [np.flatnonzero(right & (y_test == name))[1] for name in classifier.classes_]
SaliencyDisplay.from_estimator(classifier, X_test[shown], y_test[shown])

# %%
# The same by occlusion
# ---------------------
# A gray patch hides one part after another. Where hiding lowers the probability of the class, the
# map is orange; where it raises it, purple. Nothing shows where the answer stays the same whatever
# is hidden.

SaliencyDisplay.from_estimator(classifier, X_test[shown], y_test[shown], method="occlusion")

# sphinx_gallery_thumbnail_number = 5
