"""What a notebook shows of a network: scikit-learn's view, with the recipe and its size."""

import functools
import re

import numpy as np
import pytest
import torch
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skextra import TumorCNNClassifier

X = np.random.default_rng(0).integers(0, 256, (8, 16, 16)).astype(np.uint8)
Y = np.arange(8) % 2


def html_of(estimator):
    """Return what a notebook shows, if this scikit-learn shows fitted attributes at all."""
    if "Fitted attributes" not in GaussianNB().fit(X.reshape(8, -1), Y)._repr_html_():
        pytest.skip("scikit-learn shows fitted attributes from version 1.9 on")
    return estimator._repr_html_()


def rows(estimator):
    """Cells of the table of fitted attributes, by name: (type, value)."""
    html = html_of(estimator)
    table = html[html.index("Fitted attributes") :].partition("</table>")[0]
    cells = re.findall(r"<td[^>]*>(.*?)</td>", table, re.DOTALL)
    texts = [re.sub(r"<[^>]+>", "", cell).strip().replace("&#x27;", "'") for cell in cells]
    return {name: tuple(rest) for name, *rest in zip(*[iter(texts)] * 3, strict=True)}


def test_the_recipe_is_shown_setting_by_setting_and_uncut():
    classifier = TumorCNNClassifier(
        max_epochs=1,
        batch_size=8,
        lr_scheduler="CosineAnnealingLR",
        optimizer=functools.partial(torch.optim.SGD, momentum=0.9),
        augmentation=torch.relu,
        random_state=0,
    ).fit(X, Y)
    shown = rows(classifier)
    for name, value in classifier.recipe_.items():
        assert f"recipe_['{name}']" in shown, name
        assert shown[f"recipe_['{name}']"][0] == type(value).__name__
    assert shown["recipe_['lr_scheduler']"] == ("str", "'CosineAnnealingLR'")
    assert shown["recipe_['batch_size']"] == ("int", "8")
    assert shown["recipe_['dropout']"] == ("float", "0.2")
    assert "torch.optim.sgd.SGD" in shown["recipe_['optimizer']"][1]
    assert "relu" in shown["recipe_['augmentation']"][1]
    assert "recipe_" not in shown


def test_the_number_of_parameters_is_shown_and_right():
    classifier = TumorCNNClassifier(architecture="mlp", max_epochs=1, random_state=0).fit(X, Y)
    by_hand = 256 * 256 + 256 + 256 * 2 + 2
    assert classifier.n_parameters_ == by_hand
    assert rows(classifier)["n_parameters_"] == ("int", str(by_hand))
    assert rows(classifier)["net_"][1] == "'MLP'"


def test_one_class_needs_no_parameters():
    classifier = TumorCNNClassifier(random_state=0).fit(X, np.zeros(8))
    assert classifier.n_parameters_ == 0
    assert rows(classifier)["n_parameters_"] == ("int", "0")


def test_before_fit_there_is_no_number_of_parameters_and_the_parameters_show():
    classifier = TumorCNNClassifier(architecture="linear")
    with pytest.raises(AttributeError):
        classifier.n_parameters_  # noqa: B018  (the access is the test)
    html = classifier._repr_html_()
    assert "architecture" in html
    assert "Fitted attributes" not in html


def test_a_pipeline_shows_the_network_inside():
    classifier = TumorCNNClassifier(architecture="linear", max_epochs=1, random_state=0)
    pipeline = make_pipeline(StandardScaler(), classifier).fit(X.reshape(8, -1), Y)
    html = html_of(pipeline)
    assert "n_parameters_" in html
    assert "recipe_[&#x27;learning_rate&#x27;]" in html


def test_a_fit_that_failed_can_still_be_shown():
    classifier = TumorCNNClassifier(max_epochs=1, optimizer="Adamm", random_state=0)
    with pytest.raises(ValueError, match="Adamm"):
        classifier.fit(X, Y)
    html = classifier._repr_html_()
    assert "Adamm" in html
    assert "n_parameters_" not in html
