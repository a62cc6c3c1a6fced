"""Families of levels that ask for BabyAI's missions."""
