"""Families of levels of MiniGrid's own environments."""
