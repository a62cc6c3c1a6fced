"""Experts, recordings and behaviour cloning of a training."""
