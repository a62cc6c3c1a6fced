"""Teachers that follow learning progress."""
