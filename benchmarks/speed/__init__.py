"""Speed benchmarks: steps per second, and the cost of formulas."""
