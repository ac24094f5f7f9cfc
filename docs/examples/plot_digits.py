"""
Handwritten digits: a network among scikit-learn's classifiers
==============================================================

The same pipeline, cross-validation and report for a convolutional network, for naive Bayes and for
scikit-learn's own network, on the digits that scikit-learn ships. Nothing below knows which of
them it holds.
"""

# %%
# Each digit is a flat row of 64 pixels. ``TumorCNNClassifier`` unfolds a square number of features
# into a square image, here of 8x8 pixels, so it can stand behind a scaler in a pipeline.

import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from sklearn.metrics import ConfusionMatrixDisplay, classification_report
from sklearn.model_selection import StratifiedKFold, cross_validate, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skextra import ScratchGaussianNB, TumorCNNClassifier

X, y = load_digits(return_X_y=True)
classifiers = {
    "TumorCNNClassifier": TumorCNNClassifier(architecture="resnet", max_epochs=12, random_state=0),
    "MLPClassifier": MLPClassifier(64, learning_rate_init=0.01, random_state=0),
    "ScratchGaussianNB": ScratchGaussianNB(var_smoothing=0.1),
}
pipelines = {
    name: make_pipeline(StandardScaler(), classifier) for name, classifier in classifiers.items()
}

# %%
# Cross-validation
# ----------------
# Accuracy says how often the answer is right, log-loss what the probabilities are worth. Naive
# Bayes is the fastest by far, and its probabilities are the worst: it takes neighbouring pixels
# for independent evidence and is far too sure.

folds = StratifiedKFold(n_splits=3, shuffle=True, random_state=0)
print("                     accuracy           log-loss   seconds a fit")
for name, pipeline in pipelines.items():
    scores = cross_validate(pipeline, X, y, cv=folds, scoring=["accuracy", "neg_log_loss"])
    accuracy, log_loss = scores["test_accuracy"], -scores["test_neg_log_loss"]
    print(
        f"{name:20s} {accuracy.mean():.4f} +- {accuracy.std():.4f}   {log_loss.mean():.3f}"
        f"{scores['fit_time'].mean():12.2f}"
    )

# %%
# The report on digits held out
# -----------------------------

train_X, test_X, train_y, test_y = train_test_split(X, y, stratify=y, random_state=0)
network = pipelines["TumorCNNClassifier"].fit(train_X, train_y)
print(classification_report(test_y, network.predict(test_X), digits=3))

# %%
# What is taken for what, by the network and by naive Bayes.

bayes = pipelines["ScratchGaussianNB"].fit(train_X, train_y)
fig, axes = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained")
for ax, (name, pipeline) in zip(axes, [("network", network), ("naive Bayes", bayes)], strict=True):
    ConfusionMatrixDisplay.from_estimator(
        pipeline, test_X, test_y, ax=ax, colorbar=False, cmap="Blues"
    )
    ax.set_title(f"{name}: {pipeline.score(test_X, test_y):.1%} right")
plt.show()
