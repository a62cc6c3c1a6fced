"""The sprites of the crafting world: pixel art of 14x14 pixels, drawn for this project."""
