"""Metrics with intervals; needs only probabilities and labels."""
