"""What only some worlds need: hands that grip, and water. Without them, nothing is compiled."""
