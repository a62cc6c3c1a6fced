"""Measures: speed against peers, the curriculum suite, statistics.

`benchmarks.throughput` compares the worlds with other packages, `benchmarks.timing` times any
compiled function, `benchmarks.statistics` compares the scores of runs.
"""
