"""Evaluation: play and measure policies, in didact and in other engines."""
