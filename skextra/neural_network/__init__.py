"""Convolutional networks as scikit-learn classifiers."""

from skextra._lazy import require_network

require_network()  # before the modules below import torch, so that its absence is explained

from skextra.neural_network._model_file import load_model, save_model  # noqa: E402
from skextra.neural_network._tumor_cnn import TumorCNNClassifier  # noqa: E402

__all__ = ["TumorCNNClassifier", "load_model", "save_model"]
