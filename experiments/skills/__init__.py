"""Training, composing and executing skills."""
