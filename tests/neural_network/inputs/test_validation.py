"""Input that is read right, or refused with a sentence."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.sparse import dok_array
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.model_selection import train_test_split

from skextra import TumorCNNClassifier

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 16, 20)).astype(np.uint8)
Y = np.arange(12) % 2


def make(**parameters):
    return TumorCNNClassifier(architecture="linear", max_epochs=1, random_state=0, **parameters)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_channels_first_are_refused_with_the_transposition(channels):
    first = np.repeat(IMAGES[:, None], channels, axis=1)
    with pytest.raises(ValueError, match=r"X\.transpose\(0, 2, 3, 1\)"):
        make().fit(first, Y)
    fitted = make().fit(first.transpose(0, 2, 3, 1), Y)
    with pytest.raises(ValueError, match=r"X\.transpose\(0, 2, 3, 1\)"):
        fitted.predict(first)


def test_image_shape_confirms_an_unlikely_order():
    thin = np.repeat(IMAGES[:, None], 3, axis=1)
    assert make(image_shape=(3, 16, 20)).fit(thin, Y).image_shape_ == (3, 16, 20)
    with pytest.raises(ValueError, match=r"image_shape=\(20, 16\) does not fit X"):
        make(image_shape=(20, 16)).fit(IMAGES, Y)


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (torch.utils.data.DataLoader(torch.zeros(4)), "X is a DataLoader"),
        (torch.utils.data.TensorDataset(torch.zeros(4)), "X is a TensorDataset"),
        ({"images": IMAGES}, "X is a dict with the keys"),
        (dok_array(np.eye(4)), "Sparse data was passed"),  # though it is a dict as well
        ("scans", "load_image_folder"),
        (["a.png", "b.png"], "list of paths"),
        ([IMAGES[0], IMAGES[0, :8]], "different shapes"),
    ],
)
def test_what_is_passed_by_mistake_is_named(X, message):
    with pytest.raises((TypeError, ValueError), match=message):
        make().fit(X, Y[:2])


def test_pictures_in_a_list_are_stacked():
    pictures = [Image.fromarray(image) for image in IMAGES]
    expected = make().fit(IMAGES, Y).predict_proba(IMAGES)
    assert np.array_equal(make().fit(pictures, Y).predict_proba(pictures), expected)


def test_one_hot_labels_are_refused_with_argmax():
    with pytest.raises(ValueError, match=r"one-hot.*y\.argmax\(axis=1\)"):
        make().fit(IMAGES, np.eye(2)[Y])


@pytest.mark.parametrize("weights", [{0: -1.0}, {0: np.nan}, {0: np.inf}, {7: 1.0}])
def test_impossible_class_weights_are_refused(weights):
    with pytest.raises(ValueError, match="class_weight"):
        make(class_weight=weights).fit(IMAGES, Y)


def score(X, y, **parameters):
    X, X_test, y, y_test = train_test_split(X, y, random_state=0)
    model = TumorCNNClassifier(architecture="mlp", random_state=0, **parameters)
    return model.fit(X, y).score(X_test, y_test)


@pytest.mark.parametrize(
    ("factor", "dtype"), [(1, np.uint8), (1, np.int16), (62.5, np.int16), (250, np.uint16)]
)
def test_few_values_of_a_wide_type_are_learnt_alike(factor, dtype):
    X, y = load_digits().images[:600] * factor, load_digits().target[:600]
    assert score(X.astype(dtype), y) > score(X.astype(np.int32), y) - 0.05


def test_table_of_narrow_integers_is_standardised():
    X, y = load_breast_cancer(return_X_y=True)
    assert score(X.astype(np.int16), y) > 0.9


@pytest.mark.parametrize("dtype", [float, np.uint16])
@pytest.mark.parametrize("place", [(3, 2, 2), (slice(None), 0, 0)])
def test_hot_pixel_is_said_and_does_not_squash(dtype, place):
    X = load_digits().images[:600].astype(dtype)
    X[place] = 60_000
    model = TumorCNNClassifier(architecture="mlp", max_epochs=1, random_state=0)
    with pytest.warns(UserWarning, match="clipped"):
        model.fit(X, load_digits().target[:600])
    assert model.preprocessing_["clips"]
    assert model.preprocessing_["pixel_range"] == pytest.approx((0, 16))


def test_wide_rows_are_not_averaged():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(300, 300)), np.arange(300) % 2
    X[:, 7] += 4 * y - 2  # one column says it all
    model = TumorCNNClassifier(architecture="linear", random_state=0).fit(X, y)
    assert model.preprocessing_["network_size"] == (8, 300)
    assert model.score(X, y) > 0.9


@pytest.mark.parametrize(
    ("fitted_on", "given"),
    [
        (lambda X: X / 255.0, lambda X: X),
        (lambda X: X / 255.0, lambda X: X.astype(int)),
        (lambda X: X, lambda X: X / 127.5 - 1),
        (lambda X: X, lambda X: (X - X.mean()) / X.std()),
        (lambda X: X.astype(np.uint16) * 257, lambda X: X),
    ],
)
def test_another_scale_is_warned_of(fitted_on, given):
    model = make().fit(fitted_on(IMAGES), Y)
    model.predict(fitted_on(IMAGES))
    with pytest.warns(UserWarning, match="scale of the training images"):
        model.predict(given(IMAGES))
