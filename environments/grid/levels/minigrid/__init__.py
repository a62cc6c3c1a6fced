"""Families of levels for MiniGrid's own environments."""
