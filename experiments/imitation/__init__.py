"""Imitation learning: experts, recordings and behaviour cloning."""
