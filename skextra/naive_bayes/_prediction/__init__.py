"""Rows to log-likelihoods, and those to probabilities and labels."""
