"""Language feedback for the crafting world: the planner's advice in words."""
