"""Train, compose and execute skills."""
