"""Benchmarks of speed: steps a second, and what formulas cost."""
