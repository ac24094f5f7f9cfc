"""
Missing values without imputation
=================================

Naive Bayes can leave a missing value out exactly: its term drops out of the sum. Here values of
the breast cancer data are removed at random and the accuracy is compared with filling in the mean
before scikit-learn's ``GaussianNB``.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import load_breast_cancer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import cross_val_score
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline

from skextra import ScratchGaussianNB

X, y = load_breast_cancer(return_X_y=True)
models = {
    "ScratchGaussianNB, values left out": ScratchGaussianNB(),
    "mean filled in, GaussianNB": make_pipeline(SimpleImputer(), GaussianNB()),
}
shares = [0.0, 0.2, 0.4, 0.6, 0.8]
scores = {name: [] for name in models}
for share in shares:
    holes = np.random.default_rng(0).random(X.shape) < share
    for name, model in models.items():
        folds = cross_val_score(model, np.where(holes, np.nan, X), y, cv=5)
        scores[name].append(folds.mean())
        print(f"{share:.0%} missing  {name:35s} {folds.mean():.3f}")

# %%
# Left out, the values cost little as long as enough others remain; filled in, they pull every
# class towards the middle and shrink the variances.

figure, axis = plt.subplots(figsize=(6, 3.5), layout="constrained")
for (name, values), marker in zip(scores.items(), "os", strict=True):
    axis.plot([100 * share for share in shares], values, marker=marker, label=name)
axis.set(xlabel="values missing (%)", ylabel="accuracy, 5 folds")
axis.legend()

# %%
# A row with nothing in it gets the priors.

model = ScratchGaussianNB().fit(X, y)
print(model.predict_proba(np.full((1, X.shape[1]), np.nan)), model.class_prior_)
