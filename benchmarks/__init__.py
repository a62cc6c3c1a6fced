"""Measures: speed against peers, the curriculum suite, statistics.

`benchmarks.speed.throughput` compares the worlds with other packages, `benchmarks.speed.timing`
times any compiled function, `benchmarks.statistics` compares the scores of runs.
"""
