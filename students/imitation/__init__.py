"""Imitation: experts, kickstarting, distillation, behaviour cloning, hindsight relabelling."""

from didact.students.imitation.behaviour_cloning import BehaviourCloner, behaviour_cloning
from didact.students.imitation.distill import distill
from didact.students.imitation.experts import Expert
from didact.students.imitation.hindsight import hindsight
from didact.students.imitation.kickstart import kickstart

__all__ = ["BehaviourCloner", "Expert", "behaviour_cloning", "distill", "hindsight", "kickstart"]
