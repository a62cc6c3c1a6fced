"""A small environment, teacher and student whose every number tells where it comes from."""

from typing import Any, ClassVar, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from didact.environments import (
    ArraySpace,
    Box,
    Dimension,
    Discrete,
    Environment,
    Timestep,
    register,
    split_keys,
)
from didact.students import Student
from didact.students.networks import Categorical
from didact.teachers import Proposals, Teacher

LONGEST = 7
ACTIONS = 4
SPACE = Box(
    (
        Dimension("length", 1, LONGEST, integer=True, unit="steps", description="of an episode"),
        Dimension("ending", 0, 1, integer=True, description="0 terminated, 1 truncated"),
        Dimension("serial", 0, 1_000_000, integer=True, description="which task this is"),
    )
)


class State(NamedTuple):
    tasks: Any  # [n, 3]
    level: Any  # int32[n], another for every level
    time: Any  # int32[n]


def reward(serial, level, time, action):
    """What step `time` (from 1) pays; also for NumPy. Exact in float32."""
    return (serial % 64) + time / 8 + action / 64 + (level % 8) / 1024


class Counting(Environment[State]):
    """Episodes of a length and an ending that the task tells; rewards tell task and level.

    The action asked for is the level modulo 4; an episode succeeds if its last action is that.
    """

    name = "Counting"
    task_space = SPACE
    action_space = Discrete(ACTIONS, ("a", "b", "c", "d"))
    observation_space: ClassVar = {"numbers": ArraySpace((ACTIONS + 4,), np.float32, 0, 1)}
    max_steps = LONGEST

    @property
    def easy_space(self):
        return SPACE.restricted(length=(1, 2))

    def reset(self, key, tasks):
        n = tasks.shape[0]
        level = jax.vmap(lambda k: jax.random.randint(k, (), 0, 1 << 20))(split_keys(key, n))
        state = State(tasks, level, jnp.zeros(n, jnp.int32))
        no = jnp.zeros(n, bool)
        return state, Timestep(self.see(state), jnp.zeros(n), no, no, no, jnp.zeros((n, 0), bool))

    def step(self, key, state, actions):
        state = state._replace(time=state.time + 1)
        length, ending, serial = state.tasks.T
        over = state.time >= length
        timestep = Timestep(
            self.see(state),
            reward(serial, state.level, state.time, actions),
            over & (ending == 0),
            over & (ending == 1),
            over & (actions == state.level % ACTIONS),
            jnp.zeros((actions.shape[0], 0), bool),
        )
        return state, timestep

    def see(self, state):
        level = state.level
        numbers = (
            *jax.nn.one_hot(level % ACTIONS, ACTIONS).T,
            level / (1 << 20),
            state.time / LONGEST,
            state.tasks[:, 0] / LONGEST,
            state.tasks[:, 1],
        )
        return {"numbers": jnp.stack(numbers, axis=-1).astype(jnp.float32)}

    def render(self, state, index):
        picture = np.zeros((40, 40, 3), np.uint8)
        picture[:, : 5 * int(state.time[index])] = 200
        return picture

    def instruction_text(self, observation):
        return "count"


class Point(Counting):
    """A single task."""

    task_space = SPACE.restricted(length=3, ending=0, serial=5)

    @property
    def easy_space(self):
        return self.task_space


class Matching(Counting):
    """Every step pays for the action that is asked for: soon learned."""

    def step(self, key, state, actions):
        state, seen = super().step(key, state, actions)
        return state, seen._replace(reward=(actions == state.level % ACTIONS).astype(jnp.float32))


class Broken(Counting):
    """A mistake of its author shows when the loop is compiled: worlds cannot restart."""

    def reset(self, key, tasks):
        if jnp.ndim(key) == 1:
            raise RuntimeError("this world cannot restart")
        return super().reset(key, tasks)


def register_all():
    register("Counting", Counting, "counts")
    register("Point", Point, "counts to 3")
    register("Matching", Matching, "pays for what it shows")
    register("Broken", Broken, "fails to compile")


def serial_teacher(remember: int = 1 << 14, batch: int | None = None) -> Teacher:
    """Proposes each task once: its serial is how many were proposed before. Keeps what it sees.

    Every third is not learned from, and the tag is twice the serial.

    Its state: tasks proposed so far; rows seen [remember, 3 + 2 + 4 + scores]; how many.
    """

    def init(key):
        return jnp.int32(0), jnp.zeros((remember, 12)), jnp.int32(0)

    def propose(state, key, n):
        serial = state[0] + jnp.arange(n)
        length = 1 + jax.random.randint(key, (n,), 0, LONGEST)
        ending = serial % 2
        tasks = jnp.stack([length, ending, serial], axis=-1).astype(jnp.float32)
        return Proposals.of(tasks, serial % 3 > 0, 2 * serial), (state[0] + n, *state[1:])

    def observe(state, proposals, outcomes):
        proposed, rows, count = state
        new = jnp.concatenate(
            [
                proposals.tasks,
                jnp.stack([proposals.learn, proposals.tag], axis=-1),
                jnp.stack(
                    [*outcomes[:4], *(outcomes.scores[k] for k in sorted(outcomes.scores))]
                ).T,
            ],
            axis=1,
        )
        new = jnp.pad(new, ((0, 0), (0, rows.shape[1] - new.shape[1])))
        rows = jax.lax.dynamic_update_slice(rows, new, (count, 0))
        return proposed, rows, count + new.shape[0]

    return Teacher(init, propose, observe, batch=batch)


def counting_student() -> Student:
    """Remembers how many observations it has seen; its value tells that and the observation.

    Its state counts the rollouts it learned from. Actions are drawn from the key.
    """

    def init(key):
        return jnp.int32(0)

    def apply(state, carry, observation):
        carry = carry + 1
        value = 100 * carry[:, 0] + LONGEST * observation["numbers"][:, ACTIONS + 1]
        return Categorical(jnp.zeros((carry.shape[0], ACTIONS))), value, carry

    def act(state, carry, observation, key):
        _, value, carry = apply(state, carry, observation)
        action = jax.random.randint(key, (carry.shape[0],), 0, ACTIONS)
        return action, carry, {"value": value}

    def act_greedily(state, carry, observation, key):
        carry = carry + 1
        action = jnp.argmax(observation["numbers"][:, :ACTIONS], axis=-1)
        return action, carry, {"value": carry[:, 0]}

    def learn(state, rollout, key):
        return state + 1, {"reward": rollout.reward.mean()}

    def scores(rollout):
        squared = rollout.reward**2
        return {"value": rollout.extras["value"], "squared": squared, "max_reward": rollout.reward}

    return Student(init, lambda n: jnp.zeros((n, 1)), apply, act, act_greedily, learn, scores)
