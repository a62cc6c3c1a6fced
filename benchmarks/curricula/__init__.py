"""Benchmarks of teachers."""
