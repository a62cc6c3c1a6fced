"""Several trainings: sweeps over settings, and generations of students."""
