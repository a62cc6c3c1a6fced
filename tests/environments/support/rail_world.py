"""An environment that is no grid and offers all that an environment may offer.

An agent glides along a rail, on which a red ball, a blue key and a big grey box lie at places that
are real numbers. Its instructions are of Baby Language; its feedback is in words of its own.
"""

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
    split_keys,
)
from didact.environments.capabilities import (
    SILENT,
    AchievedInstructions,
    Advised,
    Feedback,
    OptionalPropositions,
    Remark,
    StateExpert,
    TextStatus,
)
from didact.environments.language import vocabulary

TEXTS = ("go to the red ball", "go to the blue key", "go to the grey box")
THINGS = ("red ball", "blue key", "big grey box")
LENGTH = 6
ROWS = np.stack([vocabulary.encode(text, LENGTH) for text in TEXTS])
NEAR = 0.06
STEPS = 12
REMARKS = {
    "hindsight": ("there", "warmer", "colder"),
    "action": ("left", "right", "stay"),
    "purpose": ("towards",),
}
THERE, WARMER, COLDER = range(3)
POOL = {
    "there": {"train": ("bingo", "that is it"), "validation": ("ta da",), "test": ("hooray",)},
    "warmer": {"train": ("warmer", "hot"), "validation": ("warm",), "test": ("hotter",)},
    "colder": {"train": ("colder", "cold"), "validation": ("chilly",), "test": ("icy",)},
    "left": {"train": ("glide left", "go left"), "validation": ("west",), "test": ("port",)},
    "right": {
        "train": ("glide right", "go right"),
        "validation": ("east",),
        "test": ("starboard",),
    },
    "stay": {"train": ("stay",), "validation": ("hold",), "test": ("halt",)},
    "towards": {
        "train": ("to the {thing} over there", "for the {thing}"),
        "validation": ("because of the {thing}",),
        "test": ("to get at the {thing}",),
    },
}


class RailState(NamedTuple):
    """n rails."""

    x: Any  # float32[n], the agent's place
    things: Any  # float32[n, 3], theirs
    wanted: Any  # int32[n]
    stride: Any  # float32[n]
    steps: Any  # int32[n]


class Rail(Environment[RailState]):
    """Glide to the thing that is asked for."""

    name = "Rail"
    action_space = Discrete(3, ("left", "right", "stay"))
    max_steps = STEPS
    render_modes = ("rgb_array", "ansi")
    task_space = Box((Dimension("stride", 0.05, 0.2, description="of a step"),))
    observation_space: ClassVar = {
        "apart": ArraySpace((3,), np.float32, -1, 1),
        "wanted": ArraySpace((3,), np.float32, 0, 1),
        "instruction": ArraySpace((LENGTH,), np.uint8, 0, 255, kind="tokens", role="instruction"),
    }

    @property
    def evaluation_tasks(self):
        return {"Rail-Slow": np.array([0.05], np.float32)}

    def reset(self, key, tasks):
        def fresh(key):
            places, wanted = jax.random.split(key)
            x = jax.random.uniform(places, (4,))
            return x[0], x[1:], jax.random.randint(wanted, (), 0, 3)

        x, things, wanted = jax.vmap(fresh)(split_keys(key, len(tasks)))
        stride = self.task_space.clip(tasks)[:, 0]
        state = RailState(x, things, wanted, stride, jnp.zeros(len(tasks), jnp.int32))
        return state, self._timestep(state, jnp.zeros(len(tasks), bool))

    def step(self, key, state, actions):
        move = jnp.array([-1.0, 1.0, 0.0])[actions] * state.stride
        state = state._replace(x=jnp.clip(state.x + move, 0, 1), steps=state.steps + 1)
        return state, self._timestep(state, jnp.abs(self._to_go(state)) < NEAR)

    def _to_go(self, state):
        """How far the wanted thing is to the right."""
        wanted = jnp.take_along_axis(state.things, state.wanted[:, None], 1)[:, 0]
        return wanted - state.x

    def _timestep(self, state, success):
        observation = {
            "apart": state.things - state.x[:, None],
            "wanted": jax.nn.one_hot(state.wanted, 3),
            "instruction": jnp.asarray(ROWS)[state.wanted],
        }
        reward, late = success.astype(jnp.float32), state.steps >= STEPS
        return Timestep(
            observation, reward, success, late, success, jnp.zeros((len(late), 0), bool)
        )

    def render(self, state, index):
        picture = np.full((8, 64, 3), 255, np.uint8)
        picture[:, int(63 * state.x[index])] = 0
        return picture

    def render_ansi(self, state, index, color=True, window=None):
        signs = ["-"] * 20
        for sign, x in zip("BKX@", (*state.things[index], state.x[index]), strict=True):
            signs[int(19.99 * x)] = sign
        return "".join(signs)

    def text_status(self, state, index):
        return TextStatus(STEPS, (f"at {state.x[index]:.2f}",), ("@ you",))

    def instruction_text(self, observation):
        return vocabulary.decode(np.asarray(observation["instruction"]))

    def expert(self):
        return StateExpert("homing", self._advised)

    def _advised(self, state):
        return jnp.where(self._to_go(state) < 0, 0, 1)

    def achieved_instructions(self):
        def describe(before, now):
            arrived = ~before["near"] & now["near"] & before["there"][:, None]
            return jnp.asarray(ROWS)[jnp.argmax(arrived, 1)], jnp.any(arrived, 1)

        def reveal(state):
            near = jnp.abs(state.things - state.x[:, None]) < NEAR
            return {"near": near, "there": jnp.ones(len(near), bool)}

        def initial(n):
            return {"near": jnp.zeros((n, 3), bool), "there": jnp.zeros(n, bool)}

        return AchievedInstructions(reveal, initial, describe)

    def optional_propositions(self):
        def holds(state):
            return jnp.abs(state.things - state.x[:, None]) < NEAR

        return OptionalPropositions(("ball", "key", "box"), holds, holds)

    def feedback(self):
        def guide_of(state):
            return {"action": self._advised(state), "to_go": jnp.abs(self._to_go(state))}

        def hindsight(before, state, actions, old, new):
            number = jnp.where(new["to_go"] < old["to_go"], WARMER, COLDER)
            number = jnp.where(new["to_go"] < NEAR, THERE, number)
            return Remark(number, state.wanted)

        def foresight(state, guide):
            purpose = jnp.where(guide["to_go"] > 0.1, 0, SILENT)
            return Remark(guide["action"], state.wanted), Remark(purpose, state.wanted)

        def false_foresight(state, guide, draws):
            action, purpose = foresight(state, guide)
            wrong = (state.wanted + 1 + (draws > 0.5)) % 3
            return action._replace(number=1 - action.number), purpose._replace(thing=wrong)

        return Feedback(
            POOL,
            REMARKS,
            THINGS,
            self.action_space.n,
            begin=lambda state, wanted: guide_of(state),
            follow=lambda guide, before, state, wanted: guide_of(state),
            advice=lambda guide: Advised(
                guide["to_go"] >= 0, guide["action"], jnp.int32(10 * guide["to_go"])
            ),
            is_right=lambda guide, actions: actions == guide["action"],
            hindsight=hindsight,
            foresight=foresight,
            false_hindsight=lambda number, draws: jnp.where(number == COLDER, WARMER, COLDER),
            false_foresight=false_foresight,
        )
