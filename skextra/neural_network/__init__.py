"""Convolutional networks as scikit-learn classifiers."""

from skextra.neural_network._model_file import load_model, save_model
from skextra.neural_network._tumor_cnn import TumorCNNClassifier

__all__ = ["TumorCNNClassifier", "load_model", "save_model"]
