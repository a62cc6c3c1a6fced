"""The conformance test finds what it should: environments with one fault each."""

import json
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import ArraySpace, Box, Continuous, Dimension, Environment, Timestep
from didact.environments.testing import check
from didact.environments.wrappers import Wrapper


class SlideState(NamedTuple):
    place: jax.Array
    steps: jax.Array
    tasks: jax.Array


class Slide(Environment[SlideState]):
    """Push something to a place; the task says how heavy it is."""

    task_space = Box((Dimension("weight", 1, 3, description="of the thing"),))
    observation_space = {"place": ArraySpace((2,), np.float32, -20, 20, kind="vector")}  # noqa: RUF012
    action_space = Continuous((2,), -1, 2)
    max_steps = 12
    size = 0.1

    def reset(self, key, tasks):
        keys = key if key.ndim else jax.random.split(key, len(tasks))
        place = jax.vmap(lambda key: jax.random.uniform(key, (2,), minval=-1, maxval=1))(keys)
        return self.show(SlideState(place, jnp.zeros(len(tasks), jnp.int32), tasks))

    def step(self, key, state, actions):
        force = self.action_space.clip(actions) / state.tasks
        return self.show(SlideState(state.place + 0.2 * force, state.steps + 1, state.tasks))

    def show(self, state):
        near = jnp.all(jnp.abs(state.place - 1) < self.size, axis=1)
        return state, Timestep(
            observation={"place": state.place},
            reward=near.astype(jnp.float32),
            terminated=near & (state.steps > 0),
            truncated=state.steps >= self.max_steps,
            success=near & (state.steps > 0),
            labels=jnp.zeros((len(near), 0), bool),
        )

    def render(self, state, index):
        return np.full((4, 4, 3), 100, np.uint8)


def test_one_without_a_fault_passes():
    check(Slide())


def of_step(change):
    """Slides whose steps end in something else: `change(environment, state, timestep)`."""

    class Changed(Slide):
        def step(self, key, state, actions):
            return change(self, *super().step(key, state, actions))

    return Changed


class Unnamed(Slide):
    task_space = Box((Dimension("weight", 1, 3),))


class TooWide(Slide):
    task_space = Box((Dimension("weight", 1, 3, description="of the thing"),))

    @property
    def easy_space(self):
        return Box((Dimension("weight", 0.5, 3, description="of the thing"),))


class WrongTests(Slide):
    test_sets = {"heavy": np.full((2, 1), 9.0)}  # noqa: RUF012


class FlatTests(Slide):
    test_sets = {"flat": np.ones(2)}  # noqa: RUF012


class Widened(Wrapper):
    """Has one more parameter, but does not convert tasks."""

    def __init__(self):
        super().__init__(Slide())
        more = Dimension("more", 0, 1, description="of it")
        self.task_space = Box((*self.environment.task_space.dimensions, more))

    @property
    def easy_space(self):
        return self.task_space


class WrongShape(Slide):
    observation_space = {"place": ArraySpace((3,), np.float32, -20, 20)}  # noqa: RUF012


class Narrow(Slide):
    observation_space = {"place": ArraySpace((2,), np.float32, -0.1, 0.1)}  # noqa: RUF012


class OneForAll(Slide):
    """All worlds begin where the first one does."""

    def reset(self, key, tasks):
        state, _ = super().reset(key, tasks)
        return self.show(state._replace(place=jnp.broadcast_to(state.place[0], state.place.shape)))


class Averaging(Slide):
    """The worlds of a batch are mixed when they begin, but in no order."""

    def reset(self, key, tasks):
        state, _ = super().reset(key, tasks)
        return self.show(state._replace(place=state.place - 0.5 * jnp.mean(state.place, 0)))


class Mixing(Slide):
    """The worlds of a batch draw each other along."""

    def step(self, key, state, actions):
        return super().step(key, state, 0.5 * (actions + jnp.mean(actions, 0)))


class Counting(Slide):
    """A trace remembers something that the next one sees."""

    calls = 0

    def step(self, key, state, actions):
        self.calls += 1
        state, _ = super().step(key, state, actions)
        return self.show(state._replace(place=state.place + 0.01 * self.calls))


class Drawing(Slide):
    """Global randomness, in pictures."""

    def render(self, state, index):
        return np.random.default_rng().integers(0, 255, (4, 4, 3)).astype(np.uint8)


class Trusting(Slide):
    def step(self, key, state, actions):
        return self.show(
            SlideState(state.place + 0.2 * actions / state.tasks, state.steps + 1, state.tasks)
        )


class Asserting(Slide):
    def step(self, key, state, actions):
        assert actions.dtype == jnp.int32
        return super().step(key, state, actions)


class Parsing(Slide):
    """An error deep in Python's own library."""

    def step(self, key, state, actions):
        json.loads("{")
        return super().step(key, state, actions)


class WithoutState(Slide):
    def reset(self, key, tasks):
        return super().reset(key, tasks)[1]


class OneKey(Slide):
    def reset(self, key, tasks):
        jax.random.uniform(key, (2,))
        return super().reset(key, tasks)


class Unspaced(Slide):
    task_space = (1, 3)


FAULTS = {
    r"Asserting: step raises AssertionError in test_testing.py, line \d+": Asserting,
    r"step raises JSONDecodeError in test_testing.py, line \d+: Expecting": Parsing,
    "reset returns 6 values, but must return the state and a `Timestep`": WithoutState,
    r"reset raises .* in test_testing.py, line \d+: .*key.*see `split_keys`\)$": OneKey,
    "task_space must be a `TaskSpace`, such as a `Box`": Unspaced,
    "step returns 5 values, but must return the state and a `Timestep`": of_step(
        lambda e, s, t: (s, t.reward, t.terminated, t.truncated, {})
    ),
    "step returns an observation of type .*, but must return a dictionary": of_step(
        lambda e, s, t: (s, t._replace(observation=t.observation["place"]))
    ),
    "weight has no description": Unnamed,
    "easy_space is not a part of task_space": TooWide,
    "the test set 'heavy' has tasks that are not in task_space": WrongTests,
    r"the test set 'flat' has shape \(2,\), but must have \(n, 1\)": FlatTests,
    r"single_task returns \[1\.\], which is not in task_space": Widened,
    r"reset differs from what is declared in observation\['place'\]: float32\[6, 2\]": WrongShape,
    r"after a reset, place contains \[.*\], outside of -0.1 to 0.1": Narrow,
    "worlds reset among others.*; they differ in": OneForAll,
    "worlds reset among others, each with its key and task; they differ in": Averaging,
    "steps of worlds among others; they differ in": Mixing,
    "a compiled step and an interpreted one; they differ in": Counting,
    "two pictures of the same state differ": Drawing,
    "after actions that are NaN or very large, place contains": Trusting,
    "step differs from what is declared in reward: int32": of_step(
        lambda e, s, t: (s, t._replace(reward=jnp.zeros(len(t.reward), jnp.int32)))
    ),
    "the state after a step and that after a reset differ in steps: float32": of_step(
        lambda e, s, t: (s._replace(steps=s.steps.astype(jnp.float32)), t)
    ),
    "step returns the observations .'other', 'place'., but .'place'. are declared": of_step(
        lambda e, s, t: (s, t._replace(observation=t.observation | {"other": t.reward}))
    ),
    "an episode continues after a success": of_step(
        lambda e, s, t: (s, t._replace(success=t.reward == 0))
    ),
    "an episode has not ended after max_steps = 12 steps": of_step(
        lambda e, s, t: (s, t._replace(truncated=t.success, terminated=t.success))
    ),
    "rewards are not finite": of_step(
        lambda e, s, t: (s, t._replace(reward=jnp.where(s.steps > 2, jnp.inf, t.reward)))
    ),
}


@pytest.mark.parametrize("sentence", FAULTS)
def test_a_fault_is_one_sentence(sentence):
    with pytest.raises(AssertionError, match=sentence):
        check(FAULTS[sentence]())


def test_shapes_are_checked_without_running():
    with pytest.raises(AssertionError, match="reset differs from what is declared"):
        check(WrongShape(), run=False)
    check(Trusting(), run=False)
