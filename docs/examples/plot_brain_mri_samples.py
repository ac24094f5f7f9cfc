"""
===========================
Synthetic slices of a brain
===========================

:func:`~skextra.datasets.make_brain_mri` draws schematic slices of a head in four classes: three
kinds of tumour, and none. They are **synthetic**: a programming exercise that needs no download,
and never medical advice.

A row shows one class. The **glioma** is irregular and patchy and lies inside one hemisphere, in a
soft rim of edema. The **meningioma** is round, bright and even, and sits against the inside of
the skull. **notumor** has none. The **pituitary** tumour is small and bright, on the midline near
the base.
"""

import matplotlib.pyplot as plt
import numpy as np

from skextra.datasets import make_brain_mri

X, y = make_brain_mri(200, random_state=0)
classes = np.unique(y)

fig, axes = plt.subplots(4, 6, figsize=(9, 6.4), layout="constrained")
for row, name in zip(axes, classes, strict=True):
    for ax, image in zip(row, X[y == name], strict=False):
        ax.imshow(image, cmap="gray", vmin=0, vmax=255)
        ax.set(xticks=[], yticks=[])
    row[0].set_ylabel(name)
fig.suptitle("Synthetic slices, six of each class")
plt.show()

# %%
# Head, contrast, ventricles and noise vary, and every class has bright vessels and soft patches.
# The mean brightness therefore tells nothing about the class:

for name in classes:
    brightness = X[y == name].mean(axis=(1, 2))
    print(f"{name:<12}{brightness.mean():5.1f} +- {brightness.std():.1f}")

# %%
# Averaged over many slices, where a tumour lies shows: the mean of each class less the mean of
# ``"notumor"``, brighter in red and darker in blue.

X, y = make_brain_mri(1000, image_size=64, noise=0, random_state=0)
healthy = X[y == "notumor"].mean(axis=0)
fig, axes = plt.subplots(1, 3, figsize=(9, 3.2), layout="constrained")
for ax, name in zip(axes, ["glioma", "meningioma", "pituitary"], strict=True):
    difference = X[y == name].mean(axis=0) - healthy
    picture = ax.imshow(difference, cmap="RdBu_r", vmin=-60, vmax=60)
    ax.set(title=name, xticks=[], yticks=[])
fig.colorbar(picture, ax=axes, label="gray levels")
plt.show()
