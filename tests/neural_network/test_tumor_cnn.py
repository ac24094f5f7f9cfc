"""TumorCNNClassifier as a scikit-learn classifier of images."""

import functools
import io
import pickle

import joblib
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from sklearn.base import clone
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from skextra import TumorCNNClassifier


@pytest.fixture(scope="module")
def digits():
    images, target = load_digits(return_X_y=True)
    return images.reshape(-1, 8, 8)[:600], target[:600]


@pytest.fixture(scope="module")
def fitted(digits):
    images, target = digits
    return TumorCNNClassifier(max_epochs=15, random_state=0).fit(images[:450], target[:450])


@pytest.fixture(scope="module")
def colored():
    """Small colour images whose class is the brightest channel, with names for labels."""
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 3, 90)
    images = rng.integers(0, 120, (90, 10, 12, 3)).astype(np.uint8)
    images[np.arange(90), :, :, codes] += 100
    return images, np.array(["red", "green", "blue"])[codes]


def test_digits_are_learnt_far_better_than_by_chance(digits, fitted):
    images, target = digits
    assert fitted.score(images[450:], target[450:]) > 0.85
    assert fitted.image_shape_ == (8, 8, 1)
    assert fitted.n_features_in_ == 64
    assert fitted.n_iter_ == fitted.best_epoch_ == len(fitted.loss_curve_) == 15
    assert fitted.loss_curve_[-1] < fitted.loss_curve_[0]
    assert fitted.validation_scores_ is None


def test_the_predictions_agree_with_each_other(digits, fitted):
    images, _ = digits
    logits = fitted.decision_function(images)
    probabilities = fitted.predict_proba(images)
    assert logits.dtype == probabilities.dtype == np.float64
    assert_allclose(probabilities.sum(axis=1), 1)
    assert_allclose(np.log(probabilities), fitted.predict_log_proba(images), rtol=1e-9)
    assert np.array_equal(fitted.predict(images), fitted.classes_[logits.argmax(axis=1)])


def test_string_labels_and_colour_images_go_through(colored):
    images, names = colored
    classifier = TumorCNNClassifier(max_epochs=10, random_state=0).fit(images, names)
    assert classifier.classes_.tolist() == ["blue", "green", "red"]
    assert classifier.image_shape_ == (10, 12, 3)
    assert classifier.score(images, names) > 0.9


@pytest.mark.parametrize("architecture", ["sequential", "resnet", "mobilenet", "linear"])
def test_images_under_8_pixels_are_enlarged_and_learnt(architecture):
    codes = np.arange(60) % 2
    images = np.random.default_rng(0).integers(0, 100, (60, 5, 4)).astype(np.uint8)
    images[codes == 0, :, :2] += 100  # bright on the left, or on the right
    images[codes == 1, :, 2:] += 100
    classifier = TumorCNNClassifier(architecture=architecture, max_epochs=30, random_state=0)
    classifier.fit(images[:40], codes[:40])
    assert classifier.image_shape_ == (5, 4, 1)
    assert classifier.score(images[40:], codes[40:]) > 0.9


def test_flat_rows_images_and_a_channel_axis_of_one_are_the_same_pixels(digits):
    images, target = digits[0][:200].astype(np.uint8), digits[1][:200]
    proba = [
        TumorCNNClassifier(image_shape=shape, max_epochs=2, random_state=0)
        .fit(X, target)
        .predict_proba(images)
        for X, shape in [
            (images, None),
            (images[..., np.newaxis], None),
            (images.reshape(200, -1), None),
            (images.reshape(200, -1), (8, 8)),
        ]
    ]
    for other in proba[1:]:
        assert np.array_equal(proba[0], other)


def test_two_classes_have_one_decision_value_which_is_the_log_odds(digits):
    images, target = digits
    classifier = TumorCNNClassifier(max_epochs=2, random_state=0).fit(images, target % 2)
    proba = classifier.predict_proba(images)
    assert_allclose(
        classifier.decision_function(images), np.log(proba[:, 1] / proba[:, 0]), atol=1e-9
    )


def test_one_class_is_a_constant_answer(digits):
    images, target = digits
    classifier = TumorCNNClassifier(random_state=0).fit(images, np.full(len(target), "a"))
    assert set(classifier.predict(images)) == {"a"}
    assert np.array_equal(classifier.predict_proba(images), np.ones((len(images), 1)))


def test_the_same_seed_gives_the_same_bits_and_another_seed_others(digits):
    images, target = digits[0][:200], digits[1][:200]
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002

    def proba(seed):
        classifier = TumorCNNClassifier(max_epochs=2, augmentation="affine", random_state=seed)
        return classifier.fit(images, target).predict_proba(images)

    first = proba(0)
    assert np.array_equal(first, proba(0))
    assert not np.array_equal(first, proba(1))
    assert torch.equal(torch.random.get_rng_state(), before[0])
    assert np.array_equal(np.random.get_state()[1], before[1])  # noqa: NPY002


def test_pickle_and_joblib_keep_every_bit_and_go_on_training_alike(digits, fitted):
    images, target = digits
    stored = io.BytesIO()
    joblib.dump(fitted, stored)
    stored.seek(0)
    for copy in (pickle.loads(pickle.dumps(fitted)), joblib.load(stored)):
        assert np.array_equal(copy.predict_proba(images), fitted.predict_proba(images))
        again = pickle.loads(pickle.dumps(fitted)).partial_fit(images[:50], target[:50])
        copy.partial_fit(images[:50], target[:50])
        assert np.array_equal(copy.predict_proba(images), again.predict_proba(images))


def test_clone_is_unfitted_with_the_same_parameters(fitted):
    copy = clone(fitted)
    assert copy.get_params() == fitted.get_params()
    with pytest.raises(NotFittedError):
        copy.predict(np.zeros((1, 8, 8)))


def test_a_pipeline_of_flat_features_learns_about_as_well_as_logistic_regression(digits):
    images, target = digits
    flat = images.reshape(len(images), -1)
    scores = [
        make_pipeline(StandardScaler(), PCA(16, random_state=0), classifier)
        .fit(flat[:450], target[:450])
        .score(flat[450:], target[450:])
        for classifier in [
            TumorCNNClassifier(architecture="mlp", max_epochs=15, random_state=0),
            LogisticRegression(),
        ]
    ]
    assert scores[0] > scores[1] - 0.06


def test_a_pipeline_of_images_learns(digits):
    images, target = digits
    halve = FunctionTransformer(lambda X: X / 2)
    pipeline = make_pipeline(halve, TumorCNNClassifier(max_epochs=2, random_state=0))
    assert pipeline.fit(images, target).predict(images).shape == target.shape


def test_a_search_finds_the_parameter_that_learns(digits):
    images, target = digits[0][:300], digits[1][:300]
    search = GridSearchCV(
        TumorCNNClassifier(architecture="linear", max_epochs=5, random_state=0),
        {"learning_rate": [1e-7, 1e-2]},
        cv=3,
    ).fit(images, target)
    assert search.best_params_ == {"learning_rate": 1e-2}
    assert search.best_score_ > 0.8


@pytest.mark.parametrize("backend", ["loky", "skextra", "threading"])
def test_cross_validation_gives_the_same_scores_on_every_backend(digits, backend):
    images, target = digits[0][:200], digits[1][:200]
    classifier = TumorCNNClassifier(max_epochs=2, random_state=0)
    expected = cross_validate(classifier, images, target, cv=2)["test_score"]
    with joblib.parallel_config(backend, n_jobs=2):
        scores = cross_validate(classifier, images, target, cv=2, n_jobs=2)["test_score"]
    # Workers compute on their share of the cores, and sums in another order differ in last bits.
    assert_allclose(scores, expected, atol=0.03)


def test_a_task_that_has_leased_a_device_trains_on_it():
    def device_of_fit():
        X = np.arange(16 * 64).reshape(16, 8, 8)
        classifier = TumorCNNClassifier(max_epochs=1, random_state=0)
        return str(classifier.fit(X, np.arange(16) % 2).net_.device)

    parallel = joblib.Parallel(n_jobs=2, backend="skextra", devices=["cpu:0"])
    assert parallel(joblib.delayed(device_of_fit)() for _ in range(2)) == ["cpu:0", "cpu:0"]


def test_weights_of_rows_count_as_repeats(digits):
    images, target = digits[0][:60], digits[1][:60] % 2
    weights = np.arange(60) % 3
    weighted = TumorCNNClassifier(max_epochs=3, random_state=0)
    weighted.fit(images, target, sample_weight=weights)
    repeated = TumorCNNClassifier(max_epochs=3, random_state=0)
    repeated.fit(images.repeat(weights, axis=0), target.repeat(weights))
    assert_allclose(weighted.predict_proba(images), repeated.predict_proba(images), atol=1e-6)


def test_a_class_without_weight_has_probability_zero(digits):
    images, target = digits[0][:60], digits[1][:60] % 3
    classifier = TumorCNNClassifier(max_epochs=1, random_state=0)
    classifier.fit(images, target, sample_weight=target != 1)
    proba = classifier.predict_proba(images)
    assert np.array_equal(proba[:, 1], np.zeros(60))
    assert_allclose(proba.sum(axis=1), 1)
    classifier = TumorCNNClassifier(random_state=0)
    classifier.partial_fit(images[:1], target[:1], classes=[0, 1, 2])
    assert set(classifier.predict(images)) == {target[0]}


def test_class_weight_multiplies_sample_weight(digits):
    images, target = digits[0][:60], digits[1][:60] % 2
    by_class = TumorCNNClassifier(class_weight={0: 3, 1: 1}, max_epochs=3, random_state=0)
    by_row = TumorCNNClassifier(max_epochs=3, random_state=0)
    by_class.fit(images, target)
    by_row.fit(images, target, sample_weight=np.where(target == 0, 3, 1))
    assert np.array_equal(by_class.predict_proba(images), by_row.predict_proba(images))


def test_early_stopping_keeps_the_best_epoch(digits):
    images, target = digits
    classifier = TumorCNNClassifier(
        early_stopping=True, max_epochs=12, n_iter_no_change=3, random_state=0
    ).fit(images, target)
    scores = classifier.validation_scores_
    assert len(scores) == classifier.n_iter_ <= 12
    assert scores[classifier.best_epoch_ - 1] == max(scores)
    assert classifier.n_iter_ - classifier.best_epoch_ >= 3 or classifier.n_iter_ == 12


def test_warm_start_goes_on_from_the_last_weights(digits):
    images, target = digits
    classifier = TumorCNNClassifier(max_epochs=4, warm_start=True, random_state=0)
    first = classifier.fit(images, target).loss_curve_
    second = classifier.fit(images, target).loss_curve_
    assert second[0] < first[1]
    with pytest.raises(ValueError, match="warm_start"):
        classifier.fit(images, target % 2)


def test_partial_fit_learns_batch_by_batch(digits):
    images, target = digits
    classifier = TumorCNNClassifier(random_state=0)
    for _ in range(6):
        for part in np.array_split(np.arange(450), 3):
            classifier.partial_fit(images[part], target[part], classes=np.arange(10))
    assert classifier.n_iter_ == 18
    assert classifier.score(images[450:], target[450:]) > 0.8
    with pytest.raises(ValueError, match="labels \\[11\\]"):
        classifier.partial_fit(images[:1], [11])
    with pytest.raises(ValueError, match="classes must be passed"):
        TumorCNNClassifier().partial_fit(images, target)


def test_optimizers_and_schedules_go_by_name_or_callable(digits):
    images, target = digits[0][:100], digits[1][:100]
    for optimizer, scheduler in [
        ("SGD", "OneCycleLR"),
        ("RMSprop", "ReduceLROnPlateau"),
        (functools.partial(torch.optim.SGD, momentum=0.9), None),
    ]:
        classifier = TumorCNNClassifier(
            optimizer=optimizer, lr_scheduler=scheduler, max_epochs=2, random_state=0
        ).fit(images, target)
        assert classifier.recipe_["optimizer"] == optimizer
        assert classifier.n_iter_ == 2


def test_a_module_class_of_the_users_is_trained(digits):
    images, target = digits
    classifier = TumorCNNClassifier(architecture=FlatNet, max_epochs=8, random_state=0)
    assert classifier.fit(images, target).score(images, target) > 0.8


class FlatNet(torch.nn.Module):
    def __init__(self, image_shape, n_classes):
        super().__init__()
        height, width, channels = image_shape
        self.linear = torch.nn.Linear(height * width * channels, n_classes)

    def forward(self, images):
        return self.linear(images.flatten(1))


def test_a_scoring_monitor_sees_every_epoch(digits, callbacks):
    images, target = digits[0][:200], digits[1][:200]
    monitor = callbacks.ScoringMonitor(scoring="accuracy")
    classifier = TumorCNNClassifier(max_epochs=3, random_state=0).set_callbacks(monitor)
    classifier.fit(images, target)
    accuracies = [row["accuracy"] for row in monitor.get_logs().data]
    print(monitor.get_logs().data)
    assert accuracies[-1] == classifier.score(images, target)


def test_verbose_prints_a_line_an_epoch(digits, capsys):
    images, target = digits[0][:50], digits[1][:50]
    TumorCNNClassifier(max_epochs=2, verbose=1, random_state=0).fit(images, target)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in lines] == ["epoch 1/2", "epoch 2/2"]


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (
            np.zeros((2, 9, 9)),
            r"images of shape \(9, 9, 1\).*fitted on images of shape \(8, 8, 1\)",
        ),
        (np.zeros((2, 8, 8, 3)), r"images of shape \(8, 8, 3\)"),
        (np.zeros((2, 63)), "X has 63 features"),
        (np.zeros((8, 8)), r"one image.*give X\[np.newaxis\]"),
        (np.full((2, 8, 8), np.nan), "contains NaN"),
        (np.full((2, 64), np.inf), "infinity"),
        (np.zeros((0, 8, 8)), "0 sample"),
        (np.zeros((2, 8, 8, 1, 1)), "dim 5"),
    ],
)
def test_images_the_network_cannot_take_are_refused(fitted, X, message):
    with pytest.raises(ValueError, match=message):
        fitted.predict(X)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"architecture": "sequental"}, "architecture"),
        ({"optimizer": "AdamV"}, "optimizer='AdamV'.*Did you mean 'Adam"),
        ({"lr_scheduler": "OneCycle"}, "lr_scheduler='OneCycle'.*'OneCycleLR'"),
        ({"image_size": 4}, "image_size"),
        ({"device": "gpu"}, "device='gpu'"),
        ({"dropout": 1.0}, "dropout"),
        ({"max_epochs": 0}, "max_epochs"),
    ],
)
def test_a_bad_parameter_is_named_in_the_error(digits, parameters, message):
    images, target = digits[0][:20], digits[1][:20]
    with pytest.raises(ValueError, match=message):
        TumorCNNClassifier(**parameters).fit(images, target)


def test_labels_of_another_length_and_unfit_shapes_are_refused(digits):
    images, target = digits[0][:20], digits[1][:20]
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        TumorCNNClassifier().fit(images, target[:-1])
    with pytest.raises(ValueError, match=r"image_shape=\(7, 7\).*64"):
        TumorCNNClassifier(image_shape=(7, 7)).fit(images.reshape(20, -1), target)
