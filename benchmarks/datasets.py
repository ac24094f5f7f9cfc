"""Benchmarks of skextra.datasets: the loader beside a plain Pillow loop, the generator, groups."""

import io
import os
import sys
import tempfile
import tracemalloc
from pathlib import Path
from time import perf_counter

import numpy as np
from PIL import Image
from scipy.ndimage import rotate, shift

from benchmarks.compare import medians
from skextra.datasets import (
    leakage_report,
    load_image_folder,
    make_brain_mri,
    near_duplicate_groups,
)

N_DISTINCT = 1000


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


def write_slices(folder, suffix, n_files, image_size=224):
    """Write slices, half of them gray and half colour; copies are hard links."""
    X, y = make_brain_mri(N_DISTINCT, image_size=image_size, random_state=0)
    for i in range(n_files):
        distinct = i % N_DISTINCT
        path = folder / suffix / y[distinct] / f"{i}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        if i == distinct:
            Image.fromarray(X[i]).convert("RGB" if i % 2 else "L").save(path)
        else:
            path.hardlink_to(path.with_stem(str(distinct)))
    return str(folder / suffix)


class ImageFolder:
    """1,000 files of 224x224 pixels to 128x128 gray."""

    params = (list(LOADERS), ["jpg", "png"], [1, 2])
    param_names = ("loader", "suffix", "n_jobs")

    def setup_cache(self):
        """Write the files once, into asv's temporary folder."""
        folder = Path(tempfile.mkdtemp(dir=".")).resolve()
        return {suffix: write_slices(folder, suffix, N_DISTINCT) for suffix in self.params[1]}

    def setup(self, folders, loader, suffix, n_jobs):
        """Leave out the loop with two jobs: it has none."""
        if n_jobs > 1 and loader != "skextra":
            raise NotImplementedError

    def time_load(self, folders, loader, suffix, n_jobs):
        """Time of one whole load."""
        LOADERS[loader](folders[suffix], 128, n_jobs)


class ManyFiles:
    """Listing and decoding 100,000 small files."""

    def setup_cache(self):
        """Write 1,000 files, and link the others to them."""
        folder = Path(tempfile.mkdtemp(dir=".")).resolve()
        return write_slices(folder, "png", 100_000, image_size=32)

    def time_load(self, folder):
        """Time of one whole load."""
        load_image_folder(folder, n_jobs=2)

    def peakmem_load(self, folder):
        """Peak memory of the process; the images are 98 MiB of it."""
        load_image_folder(folder, n_jobs=2)


class BrainMRI:
    """Synthetic slices."""

    params = [64, 128, 256]
    param_names = ("image_size",)

    def time_make_100_slices(self, image_size):
        """Time of 100 slices."""
        make_brain_mri(100, image_size=image_size, random_state=0)


def slices_at_seven_contrasts(n_samples):
    """Return slices of 32x32, each seven times at another contrast."""
    X, _ = make_brain_mri(n_samples // 7 + 1, image_size=32, random_state=0)
    return np.concatenate([X // k for k in range(1, 8)])[:n_samples]


class NearDuplicates:
    """Groups of slices, each slice seven times at another contrast."""

    params = [1000, 7000]
    param_names = ("n_samples",)

    def setup(self, n_samples):
        """Make the slices."""
        self.images = slices_at_seven_contrasts(n_samples)

    def time_groups(self, n_samples):
        """Time of all groups."""
        near_duplicate_groups(self.images)

    def peakmem_groups(self, n_samples):
        """Peak memory of the process."""
        near_duplicate_groups(self.images)


class Leakage:
    """Twins of 1,300 test slices among 5,700 training slices."""

    def setup(self):
        """Make the slices."""
        images = slices_at_seven_contrasts(7000)
        self.train, self.test = images[:5700], images[5700:]

    def time_report(self):
        """Time of the report."""
        leakage_report(self.train, self.test)


def changed_copies():
    """Return ways in which a copy of a slice of 224x224 pixels may differ, by their names."""

    def jpeg(image):
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, "JPEG", quality=20)
        return np.asarray(Image.open(buffer))

    def moved(pixels):
        return lambda image: shift(image, (0, pixels), order=1)

    def turned(degrees):
        return lambda image: rotate(image, degrees, reshape=False, order=1)

    def zoomed(scale):
        size = round(224 * scale)
        edge = (size - 224) // 2
        return lambda image: np.asarray(
            Image.fromarray(image).resize((size, size)).crop((edge, edge, edge + 224, edge + 224))
        )

    noise = np.random.default_rng(0).normal(0, 15, (224, 224))
    return {
        "another size (128x128)": lambda image: np.asarray(
            Image.fromarray(image).resize((128,) * 2)
        ),
        "JPEG of quality 20": jpeg,
        "half the contrast": lambda image: image // 2 + 30,
        "gamma 0.6": lambda image: (255 * (image / 255) ** 0.6).astype(np.uint8),
        "noise of 15 gray levels": lambda image: np.clip(image + noise, 0, 255).astype(np.uint8),
        **{f"moved by {n} pixels ({n / 7:.2g} of the thumbnail)": moved(n) for n in (2, 4, 7, 14)},
        **{f"turned by {degrees} degrees": turned(degrees) for degrees in (1, 2, 5, 10)},
        **{f"enlarged by {round(100 * s - 100)} %": zoomed(s) for s in (1.02, 1.05, 1.1)},
        "mirrored": lambda image: image[:, ::-1],
    }


def found_copies(folder, thresholds=(0.9, 0.95, 0.98), n_images=500):
    """Print which changed copies of real slices are found, and what strangers correlate at.

    Parameters
    ----------
    folder : str
        Real slices, one folder per class.
    thresholds : sequence of float
        The thresholds to compare.
    n_images : int
        How many slices to copy, evenly drawn.
    """
    images, _ = load_image_folder(folder, image_size=224, return_X_y=True)
    groups = near_duplicate_groups(images)
    _, first = np.unique(groups, return_index=True)  # slices that are no copies of each other
    images = images[np.sort(first)[:: max(1, len(first) // n_images)][:n_images]]
    print(f"{len(images)} slices; share of their copies that is found at {thresholds}")
    for name, change in changed_copies().items():
        correlation = [
            leakage_report(image[None], change(image)[None], threshold=1e-9).correlations
            for image in images
        ]
        correlation = np.array([value[0] if len(value) else 0 for value in correlation])
        shares = "".join(f"{np.mean(correlation >= t):8.0%}" for t in thresholds)
        print(f"  {name:46}{shares}")
    half = len(images) // 2
    nearest = leakage_report(images[:half], images[half:], threshold=1e-9).correlations
    shares = "".join(f"{np.mean(nearest >= t):8.0%}" for t in thresholds)
    print(f"  {'nearest of another group':46}{shares}")


def compare():
    """Print what the user guide says of speed and memory."""
    n_files = 5708
    with tempfile.TemporaryDirectory() as folder:
        jpg = write_slices(Path(folder), "jpg", n_files)
        loaders = {
            "plain Pillow loop": lambda: plain_pillow_loop(jpg, 128, 1),
            "load_image_folder": lambda: skextra_loader(jpg, 128, 1),
            "load_image_folder, n_jobs=2": lambda: skextra_loader(jpg, 128, 2),
        }
        seconds = medians(list(loaders.values()), repeat=3)
    print(f"{n_files} JPEG files of 224x224 pixels to 128x128 gray, medians of 3")
    for name, value in zip(loaders, seconds, strict=True):
        print(f"  {name:30}{value:7.2f} s   {value / seconds[0]:.2f} of the loop")
    (value,) = medians([lambda: make_brain_mri(500, random_state=0)], repeat=3)
    print(f"make_brain_mri, 128x128: {500 / value * 60:.0f} slices a minute")
    train, test = np.split(slices_at_seven_contrasts(7000), [5700])
    (value,) = medians([lambda: leakage_report(train, test)], repeat=3)
    print(f"leakage_report, 5,700 and 1,300 images: {value:.2f} s")
    for n_samples in (7000, 100_000):
        images = slices_at_seven_contrasts(n_samples)
        tracemalloc.start()
        started = perf_counter()
        near_duplicate_groups(images)
        value = perf_counter() - started
        memory = tracemalloc.get_traced_memory()[1] / 2**20
        tracemalloc.stop()
        print(f"near_duplicate_groups, {n_samples} images: {value:.1f} s, {memory:.0f} MiB beside")


if __name__ == "__main__":  # python -m benchmarks.datasets path/to/scans
    found_copies(sys.argv[1])
