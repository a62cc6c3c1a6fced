"""Joins worlds, teachers and students; runs on disk; the command line."""
