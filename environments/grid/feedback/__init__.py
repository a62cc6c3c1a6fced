"""What grid worlds say of an action and of the next one: the solver's advice as messages."""
