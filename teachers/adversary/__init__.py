"""Teachers that are learned policies, trained on the student's outcomes."""
