"""What the tests of displays share."""

import matplotlib.pyplot as plt
import numpy as np
import pytest

from skextra import TumorCNNClassifier


@pytest.fixture(autouse=True)
def close_figures():
    """Leave no figure open."""
    yield
    plt.close("all")


@pytest.fixture
def rendered():
    """Give a function that renders a figure in full, as a screen would, and counts its colours."""

    def render(figure):
        figure.canvas.draw()
        pixels = np.asarray(figure.canvas.buffer_rgba())
        return len(np.unique(pixels.reshape(-1, 4), axis=0))

    return render


@pytest.fixture(scope="session")
def spots():
    """Make noisy images with a spot of 6x6 pixels, bright or dark, and say where it is."""
    rng = np.random.default_rng(0)
    images = rng.integers(70, 130, (120, 32, 32)).astype(np.uint8)
    y = np.array(["bright", "dark"])[np.arange(120) % 2]
    places = rng.integers(1, 25, (120, 2))
    for image, (top, left), name in zip(images, places, y, strict=True):
        image[top : top + 6, left : left + 6] = 230 if name == "bright" else 0
    return images, y, places


@pytest.fixture(scope="session")
def network(spots):
    """Return the reference network, trained to tell the spots."""
    X, y, _ = spots
    return TumorCNNClassifier(
        architecture="sequential",
        max_epochs=6,
        early_stopping=True,
        validation_fraction=0.2,
        random_state=0,
    ).fit(X, y)
