"""Displays: training curves, predictions, saliency and Gaussian densities, drawn by matplotlib."""

from skextra.inspection._gaussian_density import GaussianDensityDisplay
from skextra.inspection._prediction_grid import PredictionGridDisplay
from skextra.inspection._saliency import SaliencyDisplay
from skextra.inspection._training_curve import TrainingCurveDisplay

__all__ = [
    "GaussianDensityDisplay",
    "PredictionGridDisplay",
    "SaliencyDisplay",
    "TrainingCurveDisplay",
]
