"""Brax's environments, batch-native and with separate physics for each world."""

import copy
import importlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32

from didact.common.errors import SettingError
from didact.environments.adapters.brax.kinds import KINDS
from didact.environments.adapters.brax.physics import (
    changed,
    originals,
    quantities,
    space_of,
    weighed,
)
from didact.environments.adapters.brax.repairs import repair
from didact.environments.adapters.brax.silence import quiet
from didact.environments.base import Environment, Timestep, split_keys
from didact.environments.spaces import ArraySpace, Continuous
from didact.environments.task_spaces import TaskSpace

MAX_SIZE = 1e4  # an observation with a larger value means that the simulation has diverged
EASY = 0.1  # the easy space is the original physics plus or minus this fraction


class BraxState(NamedTuple):
    """n worlds of a brax environment."""

    brax: Any  # brax's own `State`; each leaf [n, ...]
    start: Float[Array, " n"]  # m, x of the first body at the episode's start
    steps: Int32[Array, " n"]  # taken so far
    tasks: Float[Array, "n d"]


class Brax(Environment[BraxState]):
    """A brax environment whose task is its physics.

    The dimensions of a task are those of gravity, friction, mass, armature, gear, damping and (in
    fluids) density that matter in this environment, each from half to twice its original value.
    With the evaluation task "original", observations, rewards and terminations are those of brax.
    Actions are clipped to [-1, 1].

    Success is decided at the time limit, for episodes that have not terminated: the pendulums are
    still up; runners have moved forward at 1 m/s on average, the swimmer at 0.1 m/s; the tip of
    the reacher is within 2 cm of its target, the pusher's object within 5 cm of its goal; the torso
    of humanoidstandup is at least 1 m high.

    A simulation that diverges (values that are not finite, or beyond 10,000) terminates with a
    reward of 0; its last observation is finite.

    Observations: `observation`, float32[n, k], as brax documents it for each environment.

    Args:
        kind: brax's name of the environment: "ant", "reacher", ...
        backend: brax's physics engine: "generalized", "spring", "positional" or "mjx". The default
            is "generalized" for small bodies and "spring", which is faster, for large ones.
        max_steps: the time limit of an episode.

    Raises:
        SettingError: there is no such environment or backend, or brax is not installed.
    """

    success_at_limit = True

    def __init__(self, kind: str, backend: str | None = None, max_steps: int = 1000):
        if kind not in KINDS:
            raise SettingError("kind", kind, "one of " + ", ".join(KINDS))
        self.kind, self.name, self.max_steps = KINDS[kind], f"brax/{kind}", max_steps
        poor, good = self.kind.rewards
        self.return_range = (float(poor * max_steps), float(good * max_steps))
        self.backend = backend or self.kind.backend
        if self.backend not in self.kind.backends:
            raise SettingError("backend", backend, "one of " + ", ".join(self.kind.backends))
        if max_steps < 1:
            raise SettingError("max_steps", max_steps, "at least 1")
        self._brax = _made(kind, self.backend)
        self._brax.sys = weighed(self._brax.sys, self.backend)
        idle = (*self.kind.idle.get("", ()), *self.kind.idle.get(self.backend, ()))
        self._quantities = quantities(self._brax.sys, self.backend, idle)
        self.task_space = space_of(self._quantities)
        seen = jax.eval_shape(self._brax.reset, jax.random.key(0)).obs
        self.observation_space = {
            "observation": ArraySpace(
                seen.shape, np.dtype(np.float32), -MAX_SIZE, MAX_SIZE, kind="vector"
            )
        }
        model = self._brax.sys.mj_model
        names = (model.joint(i).name for i in model.actuator_trnid[:, 0])
        self.action_space = Continuous((self._brax.action_size,), -1, 1, tuple(names))
        self.official = self.kind.official
        self.timestep = float(self._brax.dt)
        self.render_fps = round(1 / self.timestep)

    @property
    def easy_space(self) -> TaskSpace:
        """Physics near the original."""
        return self.task_space.restricted(
            **{
                quantity.dimension.name: (
                    (1 - EASY) * quantity.original,
                    (1 + EASY) * quantity.original,
                )
                for quantity in self._quantities
            }
        )

    @property
    def evaluation_tasks(self) -> dict[str, np.ndarray]:
        """Named tasks: "original" is brax's own physics."""
        return {"original": originals(self._quantities)}

    def reset(self, key, tasks):
        n, tasks = tasks.shape[0], tasks.astype(jnp.float32)
        brax = jax.vmap(lambda key, task: self._with(task).reset(key))(split_keys(key, n), tasks)
        # `step` returns strong types. With weak types here, its second call would recompile it.
        brax = jax.tree.map(lambda x: jnp.asarray(x, jnp.result_type(x)), brax)
        state = BraxState(brax, brax.pipeline_state.x.pos[:, 0, 0], jnp.zeros(n, jnp.int32), tasks)
        return state, self._timestep(state)

    def step(self, key, state, actions):
        actions = self.action_space.clip(actions)
        brax = jax.vmap(lambda task, world, action: self._with(task).step(world, action))(
            state.tasks, state.brax, actions
        )
        brax = jax.tree.map(lambda new, old: jnp.asarray(new, old.dtype), brax, state.brax)
        state = state._replace(brax=brax, steps=state.steps + 1)
        return state, self._timestep(state)

    def render(self, state, index):
        """Draw the bodies from the side, or from above if they move in a plane; uint8[h, w, 3]."""
        from didact.environments.adapters.brax.viewer import picture

        poses = state.brax.pipeline_state.x
        places, turns = np.asarray(poses.pos[index]), np.asarray(poses.rot[index])
        return picture(self._brax.sys.mj_model, places, turns, above=self.kind.above)

    def _with(self, task: Float[Array, " d"]) -> Any:
        """Return brax's environment with the physics of one task."""
        brax = copy.copy(self._brax)
        brax.sys = changed(brax.sys, self._quantities, task)
        return brax

    def _timestep(self, state: BraxState) -> Timestep:
        brax = state.brax
        within = jnp.all(jnp.abs(brax.obs) <= MAX_SIZE, axis=1)  # False for NaN
        diverged = ~(within & jnp.isfinite(brax.reward))
        terminated = (brax.done > 0.5) | diverged
        over = state.steps >= self.max_steps
        achieved = self.kind.achieved(brax, state.start, state.steps * self.timestep)
        observation = jnp.clip(jnp.nan_to_num(brax.obs), -MAX_SIZE, MAX_SIZE)
        return Timestep(
            observation={"observation": observation.astype(jnp.float32)},
            reward=jnp.where(diverged, 0, brax.reward).astype(jnp.float32),
            terminated=terminated,
            truncated=over,
            success=over & ~terminated & achieved,
            labels=jnp.zeros((len(over), 0), bool),
        )


def _made(kind: str, backend: str) -> Any:
    """Create brax's own environment."""
    try:
        with quiet():
            envs: Any = importlib.import_module("brax.envs")
            repair()
            return envs.get_environment(kind, backend=backend)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in ("brax", "mujoco"):
            raise
        allowed = "one whose packages are installed: pip install -e '.[brax]'"
        raise SettingError("environment", f"brax/{kind}", allowed) from None
