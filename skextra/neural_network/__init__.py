"""Convolutional networks as scikit-learn classifiers."""

from skextra.neural_network._tumor_cnn import TumorCNNClassifier

__all__ = ["TumorCNNClassifier"]
