"""Errors and small utilities shared by all folders. Imports nothing else from didact."""

from didact.common.errors import SettingError

__all__ = ["SettingError"]
