"""The crafting world: Crafter as a compiled, batch-native environment."""
