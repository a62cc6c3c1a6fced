"""What every folder may use: errors, and other small tools. Imports nothing of ours."""

from didact.common.errors import SettingError

__all__ = ["SettingError"]
