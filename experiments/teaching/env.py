"""The environment in which the agent is a teacher.

References:
    Khan, Stengel-Eskin, Cho and Bansal, DataEnvGym: data generation agents in teacher environments
    with student feedback, ICLR 2025: states, actions and rewards of teaching.
"""

import math
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from didact.common.errors import require
from didact.environments import ArraySpace, Continuous, Discrete, Environment
from didact.environments.base import Timestep, split_keys
from didact.experiments.teaching.pupils import Lesson, Pupil, toy_pupil

FAST, SLOW = 0.5, 0.1  # the rates of the two averages of the returns in a region


class TeachingState(NamedTuple):
    """n pupils, and what their teachers know of them; r regions, lessons of m tasks."""

    pupils: Any
    tasks: Float[Array, "n m d"]  # of the last lesson
    lesson: Lesson  # its results, each [n, m]; weights are 0 before the first
    lessons: Int[Array, " n"]  # so far
    score: Float[Array, " n"]  # on the test; not observed
    fast: Float[Array, "n r"]  # averages of the returns in each region
    slow: Float[Array, "n r"]
    visits: Float[Array, "n r"]  # played tasks in each region


class Teaching(Environment[TeachingState]):
    """Teach a pupil with a limited number of lessons; each step chooses the tasks of one lesson.

    The reward of a step is what the pupil gains on its test. An episode is the life of one pupil.
    It ends when the budget is used up, or as a success when the score reaches `goal`. As the rest
    of the budget is observed, both ends are terminations: there is no value beyond them.

    The task of an episode is the kind of pupil, which is not observed: the agent finds out from the
    results of its lessons.

    Observations: `region_success`, `region_progress` and `region_visits`, float32[r]: a quick
    average of the returns in each region, its lead over a slow average, and the number of tasks
    played there, on a logarithmic scale from 0 to 1. `budget`, float32[1]: the share of lessons
    that are left. `tasks`, float32[m d], `returns`, `success` and `played`, float32[m]: the last
    lesson.

    Args:
        pupil: the pupil; by default `toy_pupil()`.
        actions: "region": an action is the number of a region, and the tasks of the lesson are
            uniform in it. "points": an action is all m tasks, one after another.
        regions: the number of regions along each dimension of the pupil's task space; fewer where
            it has fewer values.
        lesson_size: the number of tasks in a lesson, m.
        budget: the number of lessons in a life.
        goal: the score that ends an episode as a success.

    Raises:
        SettingError: a setting is out of range, or there are more than 4,096 regions.
    """

    name = "Teaching"
    restart_group_size = 64

    def __init__(
        self,
        pupil: Pupil | None = None,
        *,
        actions: str = "region",
        regions: int = 5,
        lesson_size: int = 10,
        budget: int = 40,
        goal: float = 0.95,
    ):
        sizes = {"regions": regions, "lesson_size": lesson_size, "budget": budget}
        for setting, value in sizes.items():
            require(setting, value, value >= 1, "at least 1")
        require("actions", actions, actions in ("region", "points"), '"region" or "points"')
        require("goal", goal, 0 < goal <= 1, "above 0 and at most 1")
        self.pupil = pupil or toy_pupil()
        space = self.taught_space = self.pupil.task_space
        self.task_space = self.pupil.kinds
        values = (
            int(d.high - d.low) + 1 if d.integer or d.high == d.low else regions
            for d in space.dimensions
        )
        self.sides = tuple(min(regions, count) for count in values)
        self.num_regions = math.prod(self.sides)
        allowed = f"small enough for at most 4,096 regions in {space.size} dimensions"
        require("regions", regions, self.num_regions <= 4096, allowed)
        self.lesson_size, self.max_steps, self.goal = lesson_size, budget, goal
        self.by_region = actions == "region"
        m, r = lesson_size, self.num_regions
        if self.by_region:
            self.action_space = Discrete(r)
        else:
            low, high = np.tile(space.low, m), np.tile(space.high, m)
            # A fixed parameter still needs an interval.
            high = np.where(high > low, high, low + 1)
            low, high = (tuple(map(float, x)) for x in (low, high))
            self.action_space = Continuous((m * space.size,), low, high)
        low, high = float(space.low.min()), float(space.high.max())
        sizes = {
            "region_success": (r, 0, 1),
            "region_progress": (r, -1, 1),
            "region_visits": (r, 0, 1),
            "budget": (1, 0, 1),
            "tasks": (m * space.size, low, high),
            "returns": (m, 0, 1),
            "success": (m, 0, 1),
            "played": (m, 0, 1),
        }
        self.observation_space = {
            name: ArraySpace((size,), np.float32, low, high)
            for name, (size, low, high) in sizes.items()
        }

    def reset(self, key, tasks):
        n, m, r = tasks.shape[0], self.lesson_size, self.num_regions
        pupils = jax.vmap(self.pupil.init)(split_keys(key, n), self.task_space.clip(tasks))
        zeros, none = jnp.zeros((n, r)), jnp.zeros((n, m))
        first = jnp.broadcast_to(jnp.asarray(self.taught_space.low), (n, m, self.taught_space.size))
        state = TeachingState(
            pupils,
            first,
            Lesson(none, none, none),
            jnp.zeros(n, jnp.int32),
            jax.vmap(self.pupil.test)(pupils),
            zeros,
            zeros,
            zeros,
        )
        return state, self._timestep(state, jnp.zeros(n), jnp.zeros(n, bool))

    def step(self, key, state, actions):
        n = state.lessons.shape[0]
        keys = jax.vmap(lambda k: jax.random.split(k))(split_keys(key, n))
        tasks = self.tasks_of(keys[:, 0], actions)
        pupils, lesson = jax.vmap(self.pupil.study)(state.pupils, tasks, keys[:, 1])
        fast, slow, visits = jax.vmap(self._remembered)(
            state.fast, state.slow, state.visits, tasks, lesson
        )
        score = jax.vmap(self.pupil.test)(pupils)
        gain = score - state.score
        lessons = state.lessons + 1
        state = TeachingState(pupils, tasks, lesson, lessons, score, fast, slow, visits)
        return state, self._timestep(state, gain, lessons >= self.max_steps)

    def tasks_of(self, keys: Array, actions: Array) -> Float[Array, "n m d"]:
        """Return the tasks of a lesson that an action stands for."""
        n, m, d = keys.shape[0], self.lesson_size, self.taught_space.size
        if not self.by_region:
            given = self.action_space.clip(actions).reshape(n, m, d)
            return self.taught_space.clip(given)
        space, sides = self.taught_space, np.array(self.sides)
        place = jnp.stack(jnp.unravel_index(actions, self.sides), axis=-1)[:, None]
        within = jax.vmap(lambda k: jax.random.uniform(k, (m, d)))(keys)
        values = np.where(space.integer, space.high - space.low + 1, 1).astype(int)
        first, end = -(-place * values // sides), -(-(place + 1) * values // sides)
        whole = space.low + first + jnp.floor(within * (end - first))
        real = space.denormalise((place + within) / sides)
        return space.clip(jnp.where(space.integer, whole, real))

    def region_of(self, tasks: Float[Array, "m d"]) -> Int[Array, " m"]:
        """Return the region of each task, numbered as actions are."""
        space, sides = self.taught_space, np.array(self.sides)
        # Half of the distance to the next value avoids rounding errors at the bounds of regions.
        whole = ((tasks - space.low) * sides + 0.5) / (space.high - space.low + 1)
        real = space.normalise(tasks) * sides
        place = jnp.floor(jnp.where(space.integer, whole, real))
        place = jnp.clip(place, 0, sides - 1).astype(jnp.int32)
        return jnp.ravel_multi_index(tuple(place.T), self.sides, mode="clip")

    def render(self, state, index):
        """Draw the regions, brighter with success; the ones of the last lesson have a red frame."""
        d = self.taught_space.size
        seen = np.asarray(state.fast[index]).reshape(self.sides[0], -1)
        if d > 2:
            seen = seen.reshape(*self.sides[:2], -1).mean(2)
        picture = np.repeat((255 * seen[..., None]).astype(np.uint8), 3, axis=2)
        picture = np.repeat(np.repeat(picture, 16, 0), 16, 1)
        if d <= 2 and int(state.lessons[index]):
            for region in set(np.asarray(self.region_of(state.tasks[index])).tolist()):
                y, x = (16 * i for i in divmod(region, seen.shape[1]))
                tile = picture[y : y + 16, x : x + 16]
                tile[[0, -1]] = tile[:, [0, -1]] = (200, 60, 50)
        return picture

    def _remembered(self, fast, slow, visits, tasks, lesson):
        """Update what is known of the regions of one pupil."""
        region = self.region_of(tasks)
        zeros = jnp.zeros_like(visits)
        count = zeros.at[region].add(lesson.weights)
        total = zeros.at[region].add(jnp.where(lesson.weights > 0, lesson.returns, 0))
        mean, there = total / jnp.maximum(count, 1), count > 0
        fast = jnp.where(there, fast + FAST * (mean - fast), fast)
        slow = jnp.where(there, slow + SLOW * (mean - slow), slow)
        return fast, slow, visits + count

    def _timestep(self, state: TeachingState, gain, over):
        n, most = state.lessons.shape[0], self.max_steps * self.lesson_size
        mastered = (state.score >= self.goal) & (state.lessons > 0)
        return Timestep(
            {
                "region_success": state.fast,
                "region_progress": state.fast - state.slow,
                "region_visits": jnp.log1p(state.visits) / np.log1p(most),
                "budget": jnp.maximum(1 - state.lessons / self.max_steps, 0)[:, None],
                "tasks": state.tasks.reshape(n, -1),
                "returns": state.lesson.returns,
                "success": state.lesson.success,
                "played": state.lesson.weights,
            },
            gain,
            over | mastered,
            jnp.zeros(n, bool),
            mastered,
            jnp.zeros((n, 0), bool),
        )
