"""
What Gaussian naive Bayes sees
==============================

One Gaussian per class and feature: here the three kinds of iris and the two measures of the petal.
:class:`~skextra.inspection.GaussianDensityDisplay` draws the densities over the histograms of the
data, and the regions in which each class is the most probable.
"""

from sklearn.datasets import load_iris

from skextra import ScratchGaussianNB
from skextra.inspection import GaussianDensityDisplay

iris = load_iris(as_frame=True)
X, y = iris.data, iris.target
model = ScratchGaussianNB().fit(X, y)
petal = ["petal length (cm)", "petal width (cm)"]
GaussianDensityDisplay.from_estimator(model, X, y, features=petal, class_names=iris.target_names)
print(f"Accuracy on the rows it was fitted to: {model.score(X, y):.3f}")

# %%
# Each class is an ellipse along the axes: the naive assumption allows no tilt. The model was
# fitted to four features; the regions are those of the two that are shown, the others left out of
# account.
#
# All four densities of each class: the sepal hardly tells the kinds apart.

GaussianDensityDisplay.from_estimator(
    model, X, y, features=[0, 1, 2, 3], class_names=iris.target_names
)
