"""
What Gaussian naive Bayes sees
==============================

One Gaussian per class and feature: here the three kinds of iris and the two measures of the petal.
The densities are drawn over the histograms they stand for, and the boundary is where the most
probable class changes.
"""

import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm
from sklearn.datasets import load_iris

from skextra import ScratchGaussianNB

iris = load_iris()
X, y = iris.data[:, 2:], iris.target
model = ScratchGaussianNB().fit(X, y)

# %%
# Densities over histograms
# -------------------------

colors = ["#0072B2", "#E69F00", "#009E73"]  # told apart with any colour vision
figure, axes = plt.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
for feature, axis in enumerate(axes):
    grid = np.linspace(X[:, feature].min() - 0.5, X[:, feature].max() + 0.5, 300)
    for code, name in enumerate(iris.target_names):
        values = X[y == code, feature]
        axis.hist(values, bins=12, density=True, color=colors[code], alpha=0.3)
        density = norm.pdf(grid, model.theta_[code, feature], np.sqrt(model.var_[code, feature]))
        axis.plot(grid, density, color=colors[code], label=name)
    axis.set(xlabel=iris.feature_names[2 + feature], ylabel="density")
axes[0].legend()

# %%
# The boundary
# ------------
# Each class is an ellipse along the axes: the naive assumption allows no tilt.

figure, axis = plt.subplots(figsize=(5.5, 4), layout="constrained")
side_x, side_y = (np.linspace(X[:, j].min() - 0.5, X[:, j].max() + 0.5, 250) for j in (0, 1))
grid = np.stack(np.meshgrid(side_x, side_y), axis=-1)
codes = model.predict(grid.reshape(-1, 2)).reshape(grid.shape[:2])
axis.contourf(side_x, side_y, codes, levels=[-0.5, 0.5, 1.5, 2.5], colors=colors, alpha=0.2)
for code, (name, marker) in enumerate(zip(iris.target_names, "os^", strict=True)):
    axis.scatter(*X[y == code].T, color=colors[code], marker=marker, s=18, label=name)
axis.set(xlabel=iris.feature_names[2], ylabel=iris.feature_names[3])
axis.legend()
print(f"Accuracy on the rows it was fitted to: {model.score(X, y):.3f}")
