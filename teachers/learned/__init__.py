"""Teachers that train a model: of success, of good tasks, or of their density."""
