"""Evaluation: episodes of a policy, here and in other engines."""
