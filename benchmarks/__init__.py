"""Benchmarks: speed compared with other packages, teachers, students and skills.

`benchmarks.speed.throughput` compares environments with other packages, `benchmarks.speed.timing`
times compiled functions, and `benchmarks.statistics` compares the scores of runs.
"""
