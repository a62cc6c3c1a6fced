"""Language feedback for grid worlds, derived from the solver's advice."""
