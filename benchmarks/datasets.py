"""Benchmarks of skextra.datasets: the loader beside a plain Pillow loop, the generator, groups."""

import os
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from skextra.datasets import load_image_folder, make_brain_mri, near_duplicate_groups


def plain_pillow_loop(folder, size, n_jobs):
    """Load as most scripts do: open, convert, resize, append."""
    images, target = [], []
    for code, name in enumerate(sorted(os.listdir(folder))):
        for file in sorted(os.listdir(os.path.join(folder, name))):
            with Image.open(os.path.join(folder, name, file)) as image:
                images.append(np.asarray(image.convert("L").resize((size, size))))
            target.append(code)
    return np.array(images), np.array(target)


def skextra_loader(folder, size, n_jobs):
    """Load by load_image_folder."""
    return load_image_folder(folder, image_size=size, n_jobs=n_jobs, return_X_y=True)


LOADERS = {"skextra": skextra_loader, "plain Pillow loop": plain_pillow_loop}


class ImageFolder:
    """1,000 slices of 224x224, half of the files gray and half colour, to 128x128 gray."""

    params = (list(LOADERS), ["jpg", "png"], [1, 2])
    param_names = ("loader", "suffix", "n_jobs")

    def setup_cache(self):
        """Write the files once, into asv's temporary folder."""
        folder = Path(tempfile.mkdtemp(dir="."))
        X, y = make_brain_mri(1000, image_size=224, random_state=0)
        for i, (image, name) in enumerate(zip(X, y, strict=True)):
            for suffix in self.params[1]:
                path = folder / suffix / name / f"{i}.{suffix}"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(image).convert("RGB" if i % 2 else "L").save(path)
        return str(folder.resolve())

    def setup(self, folder, loader, suffix, n_jobs):
        """Leave out the loop with two jobs: it has none."""
        if n_jobs > 1 and loader != "skextra":
            raise NotImplementedError

    def time_load(self, folder, loader, suffix, n_jobs):
        """Time of one whole load."""
        LOADERS[loader](os.path.join(folder, suffix), 128, n_jobs)


class BrainMRI:
    """Synthetic slices."""

    params = [64, 128, 256]
    param_names = ("image_size",)

    def time_make_100_slices(self, image_size):
        """Time of 100 slices."""
        make_brain_mri(100, image_size=image_size, random_state=0)


class NearDuplicates:
    """Groups of slices, each slice seven times at another contrast."""

    params = [1000, 7000]
    param_names = ("n_samples",)

    def setup(self, n_samples):
        """Make the slices."""
        X, _ = make_brain_mri(n_samples // 7 + 1, image_size=64, random_state=0)
        self.images = np.concatenate([X // k for k in range(1, 8)])[:n_samples]

    def time_groups(self, n_samples):
        """Time of all groups."""
        near_duplicate_groups(self.images)

    def peakmem_groups(self, n_samples):
        """Peak memory of the process."""
        near_duplicate_groups(self.images)
