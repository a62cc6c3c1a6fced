"""Benchmarks of composed skills and of rewards from preferences."""
