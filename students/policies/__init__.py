"""Policies on disk: cards, parameters, archives, the model hub, and lookup by name.

The public names are those that `didact.students` has.
"""
