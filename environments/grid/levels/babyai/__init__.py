"""Families of levels with BabyAI's missions."""
