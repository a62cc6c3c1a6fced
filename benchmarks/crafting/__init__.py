"""Benchmarks of the crafting world."""
