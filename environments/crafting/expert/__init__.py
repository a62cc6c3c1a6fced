"""The expert of the crafting world: a planner over the technology tree."""

from didact.environments.capabilities import StateExpert
from didact.environments.crafting.expert.planner import act, plan
from didact.environments.crafting.tasks import paid

__all__ = ["act", "make", "plan"]


def make() -> StateExpert:
    """Return the planner, which unlocks the rewarded achievements of the task."""

    def choose(state):
        return act(state, ~state.unlocked & (paid(state.tasks) > 0))

    return StateExpert("planner", choose)
