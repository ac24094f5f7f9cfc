"""Convolutional networks as scikit-learn classifiers."""

import sys

from skextra._lazy import require_network

require_network()  # before the modules below import torch, so that its absence is explained

from skextra.neural_network._inputs import _images  # noqa: E402
from skextra.neural_network._model_file import load_model, save_model  # noqa: E402
from skextra.neural_network._networks import _architectures  # noqa: E402
from skextra.neural_network._training import _muon  # noqa: E402
from skextra.neural_network._tumor_cnn import TumorCNNClassifier  # noqa: E402

__all__ = ["TumorCNNClassifier", "load_model", "save_model"]

# Pickles of skextra 0.1.0 look for classes in these modules where they were before.
sys.modules[f"{__name__}._images"] = _images
sys.modules[f"{__name__}._architectures"] = _architectures
sys.modules[f"{__name__}._muon"] = _muon
