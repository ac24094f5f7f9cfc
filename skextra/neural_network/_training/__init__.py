"""The skorch net and its optimizers and schedules, a fit in progress, checkpoints, the device."""

# Pickles of before the rooms name them here.
from skextra.neural_network._training._net import TrainingNet, WeightAverage

__all__ = ["TrainingNet", "WeightAverage"]
