"""Benchmarks of students, experts and language feedback."""
