"""`Wrapper`, the base class of environments that wrap another one."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from didact.environments.base import Environment, Map, State, name_of
from didact.environments.capabilities import (
    AchievedInstructions,
    Feedback,
    OptionalPropositions,
    StateExpert,
    TextStatus,
)
from didact.environments.task_spaces import TaskSpace


class Wrapper(Environment[State]):
    """Wraps an environment and forwards everything that a subclass does not override.

    This includes the capabilities of the inner environment (see `capabilities`). A subclass that
    changes the goal of the agent must therefore withdraw the capabilities that are no longer valid,
    such as the expert. A subclass with its own state overrides `inner_state`, and a subclass with
    its own task space overrides `outer_task`.

    Args:
        environment: the inner environment.
    """

    def __init__(self, environment: Environment[Any]):
        self.environment = environment
        self.name = name_of(environment)
        self.max_steps, self.return_range = environment.max_steps, environment.return_range
        self.task_space, self.action_space = environment.task_space, environment.action_space
        self.observation_space = environment.observation_space
        self.propositions, self.adjectives = environment.propositions, environment.adjectives
        self.proposition_instructions = environment.proposition_instructions
        self.achievements = environment.achievements
        self.can_continue = environment.can_continue
        self.success_at_limit = environment.success_at_limit
        self.restart_group_size = environment.restart_group_size
        self.render_modes, self.phrasing = environment.render_modes, environment.phrasing
        self.help_parameter, self.controls = environment.help_parameter, environment.controls
        self.official, self.render_fps = environment.official, environment.render_fps

    def inner_state(self, state: State) -> Any:
        """Return the state of the inner environment."""
        return state

    def outer_task(self, task: Float[np.ndarray, " d"]) -> Float[np.ndarray, " e"]:
        """Convert a task of the inner environment to a task of this one."""
        return task

    @property
    def easy_space(self) -> TaskSpace:
        return self.environment.easy_space

    @property
    def evaluation_tasks(self) -> dict[str, Float[np.ndarray, " d"]]:
        inner = name_of(self.environment)
        return {
            self.name if name == inner else name: self.outer_task(task)
            for name, task in self.environment.evaluation_tasks.items()
        }

    @property
    def test_sets(self) -> dict[str, Float[np.ndarray, "n d"]]:
        return {
            name: np.stack([self.outer_task(task) for task in tasks])
            for name, tasks in self.environment.test_sets.items()
        }

    def single_task(self, space: TaskSpace) -> Float[np.ndarray, " d"] | None:
        # The inner environment comes first, as tasks of this one may have the same names but other
        # numbers.
        inner = self.environment.single_task(space)
        return self.task_space.single_task(space) if inner is None else self.outer_task(inner)

    def render(self, state: State, index: int, **settings: Any) -> np.ndarray:
        return self.environment.render(self.inner_state(state), index, **settings)

    def render_ansi(self, state: State, index: int, *settings: Any, **named: Any) -> str | None:
        return self.environment.render_ansi(self.inner_state(state), index, *settings, **named)

    def text_status(self, state: State, index: int) -> TextStatus:
        return self.environment.text_status(self.inner_state(state), index)

    def map(self, state: State, index: int) -> Map | None:
        return self.environment.map(self.inner_state(state), index)

    def instruction_text(self, observation: Mapping[str, Any]) -> str:
        return self.environment.instruction_text(observation)

    def feedback_text(self, observation: Mapping[str, Any]) -> str:
        return self.environment.feedback_text(observation)

    def expert(self) -> StateExpert | None:
        found = self.environment.expert()
        return None if found is None else found.within(self.inner_state)

    def achieved_instructions(self) -> AchievedInstructions | None:
        found = self.environment.achieved_instructions()
        return None if found is None else found.within(self.inner_state)

    def feedback(self) -> Feedback | None:
        found = self.environment.feedback()
        return None if found is None else found.within(self.inner_state)

    def optional_propositions(self) -> OptionalPropositions | None:
        found = self.environment.optional_propositions()
        return None if found is None else found.within(self.inner_state)
