"""Rendering of grid worlds as images and text."""
