"""make_brain_mri: shapes, seeds, balance, anatomy, and that no simple rule tells the classes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.utils import check_random_state
from threadpoolctl import threadpool_limits

from skextra import ScratchGaussianNB, TumorCNNClassifier
from skextra.datasets import make_brain_mri

CLASSES = ["glioma", "meningioma", "notumor", "pituitary"]


def thumbnails(X, side):
    n_samples, size, _ = X.shape
    step = size // side
    return X.reshape(n_samples, side, step, side, step).mean(axis=(2, 4)).reshape(n_samples, -1)


@pytest.fixture(scope="module")
def slices():
    """1,600 slices, enough that scores on the last 400 stand within about 5 points."""
    return make_brain_mri(1600, image_size=64, random_state=0)


@pytest.fixture(scope="module")
def averages():
    """Average the noiseless slices of each class."""
    X, y = make_brain_mri(1200, image_size=64, noise=0, random_state=1)
    return {name: X[y == name].mean(axis=0) for name in CLASSES}


# The call.


@settings(max_examples=25, deadline=None)
@given(n_samples=st.integers(1, 9), image_size=st.integers(16, 40), seed=st.integers(0, 2**32 - 1))
def test_shape_dtype_and_balance(n_samples, image_size, seed):
    """Any size and number gives uint8 squares and classes whose counts differ by one at most."""
    X, y = make_brain_mri(n_samples, image_size=image_size, random_state=seed)
    assert X.shape == (n_samples, image_size, image_size)
    assert X.dtype == np.uint8
    counts = [np.sum(y == name) for name in CLASSES]
    assert sum(counts) == n_samples
    assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("image_size", [16, 17, 128, 512])
def test_every_size_shows_a_head(image_size):
    """At any size the middle is brighter than the corners, and the brightness much the same."""
    X, _ = make_brain_mri(8, image_size=image_size, random_state=0)
    quarter = image_size // 4
    middle = X[:, quarter:-quarter, quarter:-quarter].mean(axis=(1, 2))
    corner = X[:, : image_size // 16, : image_size // 16].mean(axis=(1, 2))
    assert (middle > corner + 20).all()
    assert 35 < X.mean() < 65


def test_defaults():
    """Without arguments there are 400 slices of 128x128, in shuffled order."""
    X, y = make_brain_mri()
    assert X.shape == (400, 128, 128)
    assert np.unique(y, return_counts=True)[1].tolist() == [100] * 4
    assert y.dtype.kind == "U"
    assert y.tolist() != sorted(y.tolist())


def test_same_seed_same_bits():
    """A seed gives the same slices again, another seed or a used RandomState others."""
    X, y = make_brain_mri(12, image_size=32, random_state=3)
    X_again, y_again = make_brain_mri(12, image_size=32, random_state=3)
    np.testing.assert_array_equal(X, X_again)
    np.testing.assert_array_equal(y, y_again)
    assert not np.array_equal(X, make_brain_mri(12, image_size=32, random_state=4)[0])

    random_state = np.random.RandomState(3)
    first, second = (make_brain_mri(12, image_size=32, random_state=random_state) for _ in "ab")
    np.testing.assert_array_equal(X, first[0])
    assert not np.array_equal(first[0], second[0])


def test_the_number_of_threads_does_not_touch_the_bits():
    """One thread of BLAS or two: the slices are the same."""
    images = []
    for n_threads in (1, 2):
        with threadpool_limits(n_threads):
            images.append(make_brain_mri(6, image_size=128, random_state=0)[0])
    np.testing.assert_array_equal(*images)


def test_seeded_call_leaves_the_global_generator_alone():
    """NumPy's global state is the same after a call with a seed."""
    before = check_random_state(None).get_state()[1].tolist()
    make_brain_mri(4, image_size=16, random_state=0)
    assert check_random_state(None).get_state()[1].tolist() == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("n_samples", 0),
        ("n_samples", 2.0),
        ("image_size", 15),
        ("image_size", 513),
        ("image_size", (64, 64)),
        ("noise", -0.1),
        ("noise", 1.5),
        ("noise", None),
        ("random_state", "seed"),
    ],
)
def test_bad_parameters(name, value):
    """A bad parameter is named as scikit-learn names it."""
    with pytest.raises(ValueError, match=f"The '{name}' parameter of make_brain_mri must be"):
        make_brain_mri(**{name: value})


# The noise.


def test_without_noise_the_background_is_black():
    """With noise=0 the corners are exactly 0."""
    X, _ = make_brain_mri(20, noise=0, random_state=0)
    assert X[:, :8, :8].max() == 0


def test_background_noise_has_the_mean_of_a_rayleigh_distribution():
    """Where there is no signal, Rician noise has mean noise * sqrt(pi / 2) and its deviation."""
    X, _ = make_brain_mri(40, noise=0.1, random_state=0)
    corners = X[:, :10, :10] / 255
    assert corners.mean() == pytest.approx(0.1 * np.sqrt(np.pi / 2), rel=0.03)
    assert corners.std() == pytest.approx(0.1 * np.sqrt(2 - np.pi / 2), rel=0.05)


# The anatomy: what the average slice of a class has beyond that without a tumour.


def test_pituitary_is_central_at_the_base(averages):
    """The pituitary class is brightest on the midline in the lower half, over a small spot."""
    extra = averages["pituitary"] - averages["notumor"]
    row, column = np.unravel_index(extra.argmax(), extra.shape)
    assert abs(column - 31.5) <= 3
    assert 42 <= row <= 52
    assert np.mean(extra > extra.max() / 2) < 0.02


def test_meningioma_is_at_the_rim(averages):
    """The meningioma class gains brightness near the skull and little in the middle."""
    extra = np.clip(averages["meningioma"] - averages["notumor"], 0, None)
    y, x = (np.indices(extra.shape) - 31.5) / 32
    rho = np.hypot(x / 0.82, y) / 0.87
    assert extra[(rho > 0.6) & (rho < 0.8)].mean() > 3 * extra[rho < 0.3].mean()


def test_glioma_is_inside_the_hemispheres(averages):
    """The glioma class changes left and right of the midline, less on it, least at the rim."""
    change = np.abs(averages["glioma"] - averages["notumor"])
    y, x = np.abs(np.indices(change.shape) - 31.5) / 32
    hemispheres = change[(x > 0.15) & (x < 0.45) & (y < 0.35)].mean()
    assert hemispheres > 1.5 * change[(x < 0.04) & (y < 0.35)].mean()
    assert hemispheres > 3 * change[np.hypot(x / 0.82, y) > 0.85].mean()


def test_without_tumour_the_halves_mirror_each_other(averages):
    """On average, left and right of a head without tumour are alike, with a dark midline."""
    average = averages["notumor"]
    assert np.abs(average - average[:, ::-1]).mean() < 2
    assert average[16:24, 31:33].mean() < average[16:24, 24:28].mean()


# No simple rule tells the classes.


def test_mean_brightness_tells_nothing(slices):
    """A classifier that sees mean and spread of the brightness stays near chance."""
    X, y = slices
    summary = np.c_[X.mean(axis=(1, 2)), X.std(axis=(1, 2))]
    assert GaussianNB().fit(summary[:1200], y[:1200]).score(summary[1200:], y[1200:]) < 0.4


def test_simple_classifiers_on_thumbnails_fall_short(slices):
    """Naive Bayes and the nearest neighbour on 16x16 thumbnails stay under 75 %."""
    X, y = slices
    X = thumbnails(X, 16)
    for classifier in (ScratchGaussianNB(), KNeighborsClassifier(1)):
        score = classifier.fit(X[:1200], y[:1200]).score(X[1200:], y[1200:])
        assert 0.3 < score < 0.75, classifier


def test_a_network_tells_the_classes(slices):
    """Ten epochs on 400 slices take "resnet" past what simple classifiers make of 1,200."""
    X, y = slices
    network = TumorCNNClassifier(architecture="resnet", max_epochs=10, random_state=0)
    assert network.fit(X[:400], y[:400]).score(X[1200:], y[1200:]) > 0.85
