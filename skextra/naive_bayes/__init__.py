"""Gaussian naive Bayes from its formulas."""

from skextra.naive_bayes._gaussian import ScratchGaussianNB

__all__ = ["ScratchGaussianNB"]
