"""The rules of the crafting world."""
