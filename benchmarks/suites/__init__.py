"""Suites of the curriculum benchmark: worlds in which teachers differ, as small files."""
