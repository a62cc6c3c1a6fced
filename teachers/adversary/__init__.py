"""Teachers that are policies themselves, trained on the student's outcomes."""
