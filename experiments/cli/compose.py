"""Compose a policy for a temporal-logic formula, or for an instruction in plain English.

First, skills for all propositions of the environment are learned: a value table from random actions
where states are numbered, a goal-conditioned network otherwise. The policy for the formula is then
composed from these skills without further learning. The output is a policy that can be loaded, a
diagram of the formula's automaton, a value map for each of its states, and a video.
"""

from didact.experiments.skills.compose import Compose as Options
from didact.experiments.skills.compose import compose as run

__all__ = ["Options", "run"]
