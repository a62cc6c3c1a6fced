"""The conformance test for environments."""

import warnings
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from didact.common.conformance import NonConformance, require, stated
from didact.environments.base import PICTURES, Environment, Restart
from didact.environments.spaces import Continuous
from didact.environments.testing.comparing import difference, differing_shapes, rows
from didact.environments.testing.declared import (
    check_declarations,
    check_finite,
    check_kinds,
    check_shapes,
    check_values,
    name_of,
)


def check(
    environment: Environment,
    *,
    run: bool = True,
    num_envs: int = 6,
    max_steps: int | None = None,
    tolerance: float = 1e-5,
    seed: int = 0,
) -> None:
    """Check that an environment conforms to the interface of `Environment`.

    It checks that spaces, shapes, dtypes and values are as declared; tasks survive a round trip
    through JSON; results depend on keys and arguments only; compiled and interpreted steps agree;
    the worlds of a batch are independent, also under `vmap`; `Restart` replaces finished worlds and
    no others; episodes end within `max_steps`, and a success ends an episode; continuous actions
    that are out of bounds or NaN are handled; rendering works, where it is implemented; and
    gymnasium's own checker passes.
    Each function is traced and compiled as few times as possible.

    Args:
        environment: the environment.
        run: if False, only trace it, which checks declarations, shapes and dtypes in a second.
        num_envs: worlds in a batch.
        max_steps: the number of random steps to take; by default `environment.max_steps`. With
            fewer, it is not checked that episodes end.
        tolerance: relative and absolute, for floats that are computed in two ways. Simulations
            with contacts need more than the default.
        seed: of tasks, worlds and actions.

    Raises:
        AssertionError: a check fails; the message says in one sentence which.
    """
    name = name_of(environment)
    with stated(name):
        check_kinds(environment)
        check_declarations(environment)
        checking = _Checking(environment, num_envs, tolerance, seed)
        checking.trace()
        if run:
            checking.compile()
            checking.keys()
            checking.episodes(max_steps or environment.max_steps)
            checking.interpreted()
            checking.batches()
            checking.hostile_actions()
            checking.pictures()
            checking.gymnasium()


def check_traces(environment: Environment) -> None:
    """Trace `reset` and `step`, which checks the shapes and dtypes that they return in a second.

    Raises:
        AssertionError: a check fails; the message says in one sentence which.
    """
    with stated(name_of(environment)):
        check_kinds(environment)
        _Checking(environment, 6, 0.0, 0).trace()


class _Checking:
    """One environment, its compiled programs and a batch of its worlds."""

    def __init__(self, environment: Environment, n: int, tolerance: float, seed: int):
        self.environment, self.n, self.tolerance = environment, n, tolerance
        self.name, self.all = name_of(environment), np.ones(n, bool)
        self.key, task_key, *_ = jax.random.split(jax.random.key(seed), 3)
        self.tasks = environment.task_space.sample(task_key, n)
        self.worlds = jax.random.split(jax.random.key(seed + 1), n)  # one key for each world

    def same(self, a: Any, b: Any, sentence: str, tolerance: float | None = None) -> None:
        found = difference(a, b, self.tolerance if tolerance is None else tolerance)
        require(not found, f"{self.name}: {sentence}; they differ in {found}.")

    def actions(self, seed: int, *leading: int) -> Array:
        """Sample random actions [*leading, n, ...]."""
        space, count = self.environment.action_space, int(np.prod(leading, dtype=int)) * self.n
        drawn = space.sample(jax.random.fold_in(self.key, seed), count)
        return drawn.reshape(*leading, self.n, *space.shape)

    def trace(self) -> None:
        """Check that `reset` and `step` return what is declared, for one key or one per world."""
        environment = self.environment
        hint = {"key": " (its key is one key or a key for each world; see `split_keys`)"}
        with stated(f"{self.name}: reset", hint):
            self._reset = jax.jit(environment.reset).trace(self.worlds, self.tasks)
            other = jax.eval_shape(environment.reset, self.key, self.tasks)
        state, first = self.pair("reset", self._reset.out_info)
        check_shapes(environment, state, first, "reset")
        self.same_shapes(other, (state, first), "reset with one key for all worlds")
        with stated(f"{self.name}: step"):
            self._step = jax.jit(environment.step).trace(self.key, state, self.actions(0))
        after, second = self.pair("step", self._step.out_info)
        check_shapes(environment, after, second, "step")
        self.same_shapes(after, state, "the state after a step and that after a reset")

    def pair(self, what: str, returned: Any) -> tuple[Any, Any]:
        """Check that a function returns two values."""
        count = len(returned) if isinstance(returned, tuple) else "one"
        require(
            count == 2,
            f"{self.name}: {what} returns {count} values, but must return the state and a "
            "`Timestep`.",
        )
        return returned

    def same_shapes(self, a: Any, b: Any, what: str) -> None:
        found = differing_shapes(a, b)
        require(not found, f"{self.name}: {what} differ in {found}.")

    def compile(self) -> None:
        self.reset: Any = self._reset.lower().compile()
        self.step: Any = self._step.lower().compile()
        self.state, self.first = self.reset(self.worlds, self.tasks)
        check_values(self.environment, self.first, self.all, "after a reset")
        require(
            not np.any(self.first.done) and not np.any(self.first.success),
            f"{self.name}: an episode is over at its start.",
        )

    def keys(self) -> None:
        """Check that results depend only on keys and arguments, and worlds on their own rows."""
        again = self.reset(self.worlds, self.tasks)
        self.same((self.state, self.first), again, "two resets with the same keys", 0)
        actions = self.actions(1)
        after = self.step(self.key, self.state, actions)
        again = self.step(self.key, self.state, actions)
        self.same(after, again, "two steps with the same key", 0)
        # In another order, and as copies of the first one: worlds are independent.
        other_key = self.step(jax.random.fold_in(self.key, 1), self.state, actions)
        for order in (np.arange(self.n)[::-1], np.zeros(self.n, int)):
            turned = self.reset(self.worlds[order], self.tasks[order])
            expected = rows((self.state, self.first), order)
            self.same(turned, expected, "worlds reset among others, each with its key and task")
            if not difference(after, other_key):  # steps are deterministic
                turned = self.step(self.key, rows(self.state, order), rows(actions, order))
                self.same(turned, rows(after, order), "steps of worlds among others")

    def interpreted(self) -> None:
        """Check that a compiled step equals an interpreted one."""
        actions = self.actions(2)
        compiled = self.step(self.key, self.state, actions)
        plain = self.environment.step(self.key, self.state, actions)
        self.same(compiled, plain, "a compiled step and an interpreted one")

    def batches(self) -> None:
        """Check that batches under vmap equal sequential batches, also when worlds restart."""
        environment, seeds, n = self.environment, 2, self.n
        restart = Restart(environment, group_size=4)

        def life(keys, tasks, actions, done, again):
            state, _ = environment.reset(keys, tasks)
            state, timestep = environment.step(self.key, state, actions)
            return restart(again, tasks, done | timestep.done, state, timestep)

        tasks = jnp.stack([self.tasks, self.tasks[::-1]])
        keys = jnp.stack([self.worlds, jax.random.split(self.key, n)])
        again, actions = keys[::-1], self.actions(3, seeds)
        done = jnp.arange(n) % 3 != jnp.array([[1], [2]])
        together = jax.jit(jax.vmap(life))(keys, tasks, actions, done, again)
        for seed in range(seeds):
            state, _ = self.reset(keys[seed], tasks[seed])
            state, timestep = self.step(self.key, state, actions[seed])
            new_state, first = self.reset(again[seed], tasks[seed])
            over = np.asarray(done[seed] | timestep.done)

            def chosen(new, old, over=over):
                return jnp.where(over.reshape(-1, *[1] * (old.ndim - 1)), new, old)

            fresh = (new_state, first.observation, first.labels)
            expected = jax.tree.map(chosen, fresh, (state, timestep.observation, timestep.labels))
            found_state, found = rows(together, seed)
            self.same(
                (found_state, found.observation, found.labels),
                expected,
                "batches that restart with the same keys, under vmap and one after another",
            )
            kept = (timestep.reward, timestep.done, timestep.success)
            found = (found.reward, found.done, found.success)
            self.same(found, kept, "rewards and ends before and after a restart")

    def episodes(self, steps: int) -> None:
        """Check that episodes end within the time limit, and that a success ends an episode."""
        environment, name, state = self.environment, self.name, self.state
        ended = ~self.all
        drawn = np.asarray(self.actions(4, steps))
        for i in range(steps):
            key = jax.random.fold_in(self.key, i)
            state, timestep = self.step(key, state, drawn[i])
            success, done = np.asarray(timestep.success), np.asarray(timestep.done)
            when = f"after {i + 1} random steps"
            if i < 5 or i % 50 == 0 or i == steps - 1 or np.any(done & ~ended):
                check_values(environment, timestep, ~ended, when)
            else:
                check_finite(environment, timestep, ~ended, when)
            require(
                not np.any(success & ~done & ~ended),
                f"{name}: an episode continues after a success.",
            )
            ended |= done
            if ended.all():
                break
        if steps >= environment.max_steps:
            require(
                ended.all(), f"{name}: an episode has not ended after max_steps = {steps} steps."
            )

    def hostile_actions(self) -> None:
        """Check that actions out of bounds act like those at the bounds, and NaN does no harm."""
        space = self.environment.action_space
        if not isinstance(space, Continuous):
            return
        n, k = self.n, space.size
        numbers = np.resize([np.nan, np.inf, -np.inf, 1e9, -1e9, 3e38], n).astype(np.float32)
        wild = np.tile(numbers[:, None], (1, k))
        state, timestep = self.step(self.key, self.state, wild)
        check_values(
            self.environment, timestep, self.all, "after actions that are NaN or very large"
        )
        tame = self.step(self.key, self.state, space.clip(jnp.asarray(wild)))
        self.same((state, timestep), tame, "steps with actions out of bounds and at the bounds", 0)
        for leaf in jax.tree.leaves(state):
            if jnp.issubdtype(leaf.dtype, jnp.floating):
                broken = np.isnan(leaf).any()
                require(not broken, f"{self.name}: an action of NaN leaves NaN in the state.")

    def pictures(self) -> None:
        """Check that pictures are uint8[h, w, 3] and depend on the state only; texts are `str`."""
        environment, name = self.environment, self.name
        state = jax.device_get(self.state)
        if PICTURES in environment.render_modes:
            drawn = environment.render(state, self.n - 1)
            require(
                drawn.dtype == np.uint8 and drawn.ndim == 3 and drawn.shape[2] == 3,
                f"{name}: a picture is {drawn.dtype}{list(drawn.shape)}, not uint8[h, w, 3].",
            )
            again = environment.render(state, self.n - 1)
            require(np.array_equal(drawn, again), f"{name}: two pictures of the same state differ.")
        observation = rows(jax.device_get(self.first.observation), 0)
        for text in (environment.instruction_text, environment.feedback_text):
            require(isinstance(text(observation), str), f"{name}: {text.__name__} returns no text.")

    def gymnasium(self) -> None:
        """Check that gymnasium's own checker passes."""
        from gymnasium.utils.env_checker import check_env

        from didact.environments.adapters.gymnasium import SingleEnvironment

        draws = PICTURES in self.environment.render_modes
        world = SingleEnvironment(self.environment, render_mode=PICTURES if draws else None)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # advice, such as bounds of -1 and 1 for actions
                check_env(world, skip_render_check=True, skip_close_check=True)
        except Exception as error:  # gymnasium raises exceptions of many types
            raise NonConformance(f"{self.name}: gymnasium's checker: {error}") from error
