"""Compose behaviour for a formula, or for an instruction in plain English.

Skills for all facts of the environment are learned first: a table from steps at random where places
are numbered, else a network. Behaviour for the formula follows from them without further learning.
Makes a picture of the formula's automaton, maps of what places are worth in each of its states, a
video, and a policy to load.
"""

from didact.experiments.skills.compose import Compose as Options
from didact.experiments.skills.compose import compose as run

__all__ = ["Options", "run"]
