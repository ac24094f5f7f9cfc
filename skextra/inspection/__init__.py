"""Displays: training, predictions, mistakes, calibration, saliency and Gaussian densities."""

from skextra.inspection._confusion_examples import ConfusionExamplesDisplay
from skextra.inspection._gaussian_density import GaussianDensityDisplay
from skextra.inspection._prediction_grid import PredictionGridDisplay
from skextra.inspection._reliability import ReliabilityDisplay
from skextra.inspection._saliency import SaliencyDisplay
from skextra.inspection._training_curve import TrainingCurveDisplay

__all__ = [
    "ConfusionExamplesDisplay",
    "GaussianDensityDisplay",
    "PredictionGridDisplay",
    "ReliabilityDisplay",
    "SaliencyDisplay",
    "TrainingCurveDisplay",
]
