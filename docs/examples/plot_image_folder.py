"""
From folders of images to arrays
================================

:func:`~skextra.datasets.load_image_folder` reads images that lie in one folder per class. Here a
training and a test folder are written first, with what real folders have: other formats and sizes,
a folder for each patient, and a file that a full disk has cut short.
"""

import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from skextra.datasets import load_image_folder, make_brain_mri

folder = tempfile.TemporaryDirectory()
scans = Path(folder.name) / "scans"
rng = np.random.default_rng(0)
slices, names = make_brain_mri(60, image_size=128, random_state=0)
for number, (image, name) in enumerate(zip(slices, names, strict=True)):
    path = scans / ("Training" if number < 40 else "Testing") / name / f"patient_{number % 3}"
    path.mkdir(parents=True, exist_ok=True)
    height, width = rng.integers(90, 160, 2)
    suffix = rng.choice(["jpg", "png", "tif", "webp"])
    Image.fromarray(image).resize((width, height)).save(path / f"slice_{number}.{suffix}")
whole = next(scans.glob("Training/*/*/*.png")).read_bytes()
with open(next(scans.glob("Training/notumor/*")) / "cut.png", "wb") as file:
    file.write(whole[:2000])

# %%
# A bad file stops the load, and the message lists it:

try:
    load_image_folder(scans / "Training", image_size=64)
except ValueError as error:
    print(str(error).replace(str(scans), "scans"))

# %%
# Both folders in one call have one size and the same codes. The bad file is left out and kept in
# mind:

train, test = load_image_folder(
    [scans / "Training", scans / "Testing"], image_size=64, keep_aspect=True, on_error="skip"
)
print(train.DESCR.replace(str(scans), "scans"))
print(test.DESCR.replace(str(scans), "scans"))
print("left out:", [Path(file).name for file in train.skipped])

# %%
# What comes out: squares of 64 pixels. With ``keep_aspect`` a wide slice has black bars above and
# below; without it, it would be stretched.

import matplotlib.pyplot as plt

figure, axes = plt.subplots(2, 6, figsize=(9, 3.4), layout="compressed")
stretched, _ = load_image_folder(
    scans / "Training", image_size=64, on_error="skip", return_X_y=True
)
for column, index in zip(axes.T, range(0, 36, 6), strict=True):
    for axis, images in zip(column, (train.images, stretched), strict=True):
        axis.imshow(images[index], cmap="gray", vmin=0, vmax=255)
        axis.set(xticks=[], yticks=[])
    column[0].set_title(train.target_names[train.target[index]], fontsize="medium")
axes[0, 0].set_ylabel("aspect kept")
axes[1, 0].set_ylabel("stretched")
folder.cleanup()
