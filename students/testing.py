"""Conformance tests for students, including your own.

from didact.students import testing

def test_my_student():
    testing.check(my_student, observation_space, action_space)
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from didact.common.conformance import (
    equal,
    is_key,
    name_of,
    numbers,
    require,
    require_same_shapes,
    stated,
)
from didact.environments import ActionSpace, ArraySpace, Continuous
from didact.students.base import Rollout, Student
from didact.students.random_environment import RandomEnvironment, where

ALIKE = 0.95  # required fraction of equal numbers, since rounding may flip a few
FLIPPED = 4.0  # most that the others may differ by, relative to the largest change of any number
MakeStudent = Callable[[Mapping[str, ArraySpace], ActionSpace], Student]


def check(
    make_student: MakeStudent,
    observation_space: Mapping[str, ArraySpace],
    action_space: ActionSpace,
    *,
    privileged: Mapping[str, ArraySpace] | None = None,
    num_envs: int = 8,
    rollout_length: int = 6,
    rounds: int = 2,
    seed: int = 0,
) -> None:
    """Check that a student follows the `Student` interface.

    - The state is a pytree of arrays with a field `params`. Its structure, shapes and dtypes do not
      change, and a stored and restored state behaves in the same way.
    - `apply` returns a distribution with batch shape [n], a value [n] or None, and a carry like
      `initial_carry(n)`; environments are independent of each other.
    - Actions have the dtype and shape of the space and lie within it; greedy actions are the modes.
    - The same keys give the same actions and the same updates.
    - Functions give the same results with and without `jit`, and with and without `vmap` over
      seeds.
    - Learning changes `params` after some rollouts. In a rollout with `learn` 0 in all rows, the
      first or a later one, `params` stay the same bit for bit; the contents of rows with `learn` 0
      are ignored.
    - Metrics are finite scalars with the same names each time; scores are finite, [T, n].
    - `read`, if implemented, equals `apply` step by step, with the carry reset at each start.

    Args:
        make_student: a function from observation and action space to the student.
        observation_space, action_space: the spaces of the environment, which is random.
        privileged: further observations that `act` receives, such as expert actions.
        num_envs, rollout_length: n and T of rollouts. The student must learn from
            `rounds` of them, so choose its settings accordingly.
        rounds: number of rollouts to learn from, after which `params` must have changed.
        seed: seed of all randomness.

    Raises:
        AssertionError: the student violates the interface; the message says how.
    """
    with stated("the student"):
        student = _checked(make_student(observation_space, action_space))
        more = (observation_space, action_space, privileged or {}, num_envs)
        world = RandomEnvironment(student, *more)
        _Check(world, rollout_length, rounds, jax.random.key(seed)).run()


def _checked(student: Student) -> Student:
    """Return a student whose functions check how many values they return."""

    def learn(*arguments: Any) -> Any:
        found = student.learn(*arguments)
        pair = isinstance(found, tuple) and len(found) == 2 and not hasattr(found, "_fields")
        require(pair, "learn must return a pair of the new state and metrics")
        return found

    def apply(*arguments: Any) -> Any:
        found = student.apply(*arguments)
        triple = isinstance(found, tuple) and len(found) == 3 and hasattr(found[0], "mode")
        require(triple, "apply must return a distribution, a value or None, and the carry")
        return found

    return student._replace(learn=learn, apply=apply)


class _Check:
    """The checks of one student."""

    def __init__(self, world: RandomEnvironment, steps: int, rounds: int, key: PRNGKeyArray):
        self.student, self.world, self.n = world.student, world, world.n
        self.steps, self.rounds, self.key = steps, rounds, key
        student = self.student
        self.init, self.learn = jax.jit(student.init), jax.jit(student.learn)
        self.apply, self.act = jax.jit(student.apply), jax.jit(student.act)
        self.greedy = jax.jit(student.act_greedily)
        self.play = jax.jit(world.play, static_argnums=4)
        self.observation = jax.jit(world.observe)(key)
        self.shown = self.observation | world.observe(key, world.privileged)

    def run(self) -> None:
        state = self.state_is_a_pytree()
        self.carry_has_a_row_for_each_environment()
        self.apply_returns_what_it_should(state)
        self.nothing_to_learn_changes_no_parameters(state)
        state, worlds = self.life(state)
        self.nothing_to_learn_changes_no_parameters(state)  # there may be momentum now
        self.apply_returns_what_it_should(state)
        self.environments_are_independent(state)
        self.actions_are_of_the_space(state)
        rollout, _ = self.play(state, worlds, self.key, 0.5, self.steps)
        self.keys_decide(state, rollout)
        self.rows_that_must_not_be_learned_from_do_not_matter(state, rollout)
        self.reading_is_applying_step_by_step(state, rollout)
        self.compiling_changes_nothing(state, rollout)
        self.seeds_do_not_mix(state, rollout)

    def state_is_a_pytree(self) -> Any:
        plain, state = self.student.init(self.key), self.init(self.key)
        for path, leaf in jax.tree_util.tree_leaves_with_path(plain):
            require(
                isinstance(leaf, jax.Array | np.ndarray),
                f"state{name_of(path)} has type {type(leaf).__name__}, but must be an array",
            )
        require_same_shapes("compiled init", plain, state)
        params = getattr(state, "params", None)
        require(jax.tree.leaves(params), "the state must have a field params with the parameters")
        return state

    def carry_has_a_row_for_each_environment(self) -> None:
        one, carry = self.student.initial_carry(1), self.student.initial_carry(self.n)
        repeated = jax.tree.map(lambda x: jnp.repeat(x, self.n, axis=0), one)
        require_same_shapes(
            f"initial_carry({self.n}), compared to initial_carry(1),", repeated, carry
        )
        require(equal(repeated, carry), "initial_carry must be the same for each environment")

    def apply_returns_what_it_should(self, state: Any) -> None:
        carry = self.student.initial_carry(self.n)
        distribution, value, after = self.apply(state, carry, self.observation)
        require_same_shapes("apply", carry, after)
        mode = distribution.mode()
        self.valid(mode, "the mode of the distribution of apply")
        numbers = {
            "log_prob": distribution.log_prob(mode),
            "entropy": distribution.entropy(),
            "kl": distribution.kl(distribution),
        }
        if value is not None:
            numbers["value"] = value
        for name, x in numbers.items():
            require(
                x.shape == (self.n,) and jnp.issubdtype(x.dtype, jnp.floating),
                f"apply: {name} is {x.dtype}{list(x.shape)}, but must be float32[{self.n}]",
            )
            require(np.all(np.isfinite(x)), f"apply: {name} must be finite")
        apart = np.abs(numbers["kl"]).max()
        problem = f"the kl of a distribution to itself is {apart:g}, but must be 0"
        require(apart < 1e-3, f"apply: {problem}")

    def nothing_to_learn_changes_no_parameters(self, state: Any) -> None:
        worlds = self.world.begin(self.key)
        rollout, _ = self.play(state, worlds, self.key, 0.0, self.steps)
        after, metrics = self.learn(state, rollout, self.key)
        self.finite_scalars(metrics)
        require(
            equal(state.params, after.params),
            "learn: a rollout with learn 0 in all rows must not change params",
        )

    def life(self, state: Any) -> tuple[Any, Any]:
        """Return the states of the student and of the environments after some rounds."""
        before, names, worlds = state, None, self.world.begin(self.key)
        for number in range(self.rounds):
            keys = jax.random.split(jax.random.fold_in(self.key, number))
            rollout, worlds = self.play(state, worlds, keys[0], 1.0, self.steps)
            for name, x in self.student.step_scores(rollout).items():
                require(
                    x.shape == (self.steps, self.n) and np.all(np.isfinite(x)),
                    f"step_scores: {name!r} must be finite numbers [T, n]",
                )
            after, metrics = self.learn(state, rollout, keys[1])
            require_same_shapes("learn", state, after)
            self.finite_scalars(metrics)
            names = set(metrics) if names is None else names
            require(names == set(metrics), "learn: metrics must have the same names each time")
            state = after
        require(
            not equal(before.params, state.params),
            f"learn: {self.rounds} rollouts of {self.steps} x {self.n} steps must change params",
        )
        return state, worlds

    def environments_are_independent(self, state: Any) -> None:
        carry, half = self.student.initial_carry(self.n), self.n // 2
        whole = self.apply(state, carry, self.observation)
        first = jax.tree.map(lambda x: x[:half], (carry, self.observation))
        alone = self.apply(state, *first)
        expected = jax.tree.map(lambda x: x[:half], whole)
        self.alike(alone, expected, "apply, with fewer environments,")

    def actions_are_of_the_space(self, state: Any) -> None:
        carry = self.student.initial_carry(self.n)
        for number in range(5):
            key = jax.random.fold_in(self.key, number)
            action, after, extras = self.act(state, carry, self.shown, key)
            self.valid(action, "act")
            require_same_shapes("act", carry, after)
            for path, x in jax.tree_util.tree_leaves_with_path(extras):
                require(
                    x.ndim >= 1 and len(x) == self.n,
                    f"act: extras{name_of(path)} must have a row for each environment",
                )
        greedy, after, _ = self.greedy(state, carry, self.shown, self.key)
        self.valid(greedy, "act_greedily")
        require_same_shapes("act_greedily", carry, after)
        mode = self.apply(state, carry, self.observation)[0].mode()
        self.alike(greedy, mode, "act_greedily, compared to the mode of the distribution,")

    def keys_decide(self, state: Any, rollout: Rollout) -> None:
        leaves, tree = jax.tree.flatten(state)
        stored = [(jnp.array(np.array(numbers(x))), is_key(x)) for x in leaves]
        restored = jax.tree.unflatten(
            tree, [jax.random.wrap_key_data(y) if key else y for y, key in stored]
        )
        carry = self.student.initial_carry(self.n)
        acted = [self.act(s, carry, self.shown, self.key) for s in (state, state, restored)]
        same = "must give the same results"
        require(equal(acted[0], acted[1]), f"act: the same state and key {same}")
        require(equal(acted[0], acted[2]), f"act: a stored and restored state {same}")
        learned = [self.learn(s, rollout, self.key) for s in (state, state, restored)]
        require(equal(learned[0], learned[1]), f"learn: the same state and key {same}")
        require(equal(learned[0], learned[2]), f"learn: a stored and restored state {same}")

    def rows_that_must_not_be_learned_from_do_not_matter(self, state: Any, rollout: Any) -> None:
        require(0 < float(rollout.learn.mean()) < 1, "choose another seed, or longer rollouts")
        noise = iter(jax.random.split(self.key, 1000))

        def spoilt(x):
            wild = 10 * jax.random.normal(next(noise), x.shape)
            wild = wild if jnp.issubdtype(x.dtype, jnp.floating) else jnp.roll(x, 1, axis=1)
            return where(rollout.learn == 0, wild.astype(x.dtype), x)

        def seen(observation):
            # Tokens stay the same: networks may take another path with more distinct sentences.
            return {
                name: spoilt(x) if self.world.spaces[name].meaning != "tokens" else x
                for name, x in observation.items()
            }

        other = rollout._replace(
            observation=seen(rollout.observation),
            action=where(rollout.learn == 0, jnp.roll(rollout.action, 1, 1), rollout.action),
            reward=spoilt(rollout.reward),
            extras=jax.tree.map(spoilt, rollout.extras),
            final_value=spoilt(rollout.final_value),
            final_observation=seen(rollout.final_observation),
        )
        one, two = (self.learn(state, x, self.key)[0].params for x in (rollout, other))
        require(equal(one, two), "learn: rows with learn 0 must be ignored")

    def reading_is_applying_step_by_step(self, state: Any, rollout: Rollout) -> None:
        if self.student.read is None:
            return
        fresh = self.student.initial_carry(self.n)

        def step(carry, now):
            observation, start = now
            carry = where(start, fresh, carry)
            distribution, value, carry = self.student.apply(state, carry, observation)
            return carry, (distribution, value)

        rows = rollout.observation, rollout.start
        after, expected = jax.jit(lambda carry: jax.lax.scan(step, carry, rows))(rollout.carry)
        distribution, value, carry = jax.jit(self.student.read)(state, rollout.carry, *rows)
        found = (distribution, value), carry
        self.alike(found, (expected, after), "read, compared to apply step by step,")

    def compiling_changes_nothing(self, state: Any, rollout: Rollout) -> None:
        carry = self.student.initial_carry(self.n)
        plain = self.student.apply(state, carry, self.observation)
        compiled = self.apply(state, carry, self.observation)
        self.alike(plain, compiled, "compiled apply")
        plain = self.student.learn(state, rollout, self.key)[0].params
        compiled = self.learn(state, rollout, self.key)[0].params
        self.alike(plain, compiled, "compiled learn", state.params)

    def seeds_do_not_mix(self, state: Any, rollout: Rollout) -> None:
        keys = jax.random.split(self.key, 2)
        states = [state, self.init(keys[0])]
        rollouts = [rollout, rollout._replace(reward=rollout.reward + 1)]
        stacked = (jax.tree.map(lambda *x: jnp.stack(x), *each) for each in (states, rollouts))
        together, _ = jax.jit(jax.vmap(self.student.learn))(*stacked, keys)
        for i in range(2):
            alone = self.learn(states[i], rollouts[i], keys[i])[0].params
            mine = jax.tree.map(lambda x, i=i: x[i], together.params)
            self.alike(mine, alone, "learn under vmap over seeds", states[i].params)

    def valid(self, action: Any, where: str) -> None:
        """Require valid actions of the space, one for each environment."""
        space, shape = self.world.actions, (self.n, *self.world.actions.shape)
        require(
            action.shape == shape and action.dtype == space.dtype,
            f"{where} is {action.dtype}{list(action.shape)}, "
            f"but must be {np.dtype(space.dtype)}{list(shape)}",
        )
        low, high = (space.lows, space.highs) if isinstance(space, Continuous) else (0, space.n - 1)
        inside = np.all((np.asarray(action) >= low) & (np.asarray(action) <= high))
        require(inside, f"{where} must lie within the action space")

    def finite_scalars(self, metrics: Any) -> None:
        for name, x in metrics.items():
            require(jnp.shape(x) == (), f"learn: the metric {name!r} must be a scalar")
            require(np.isfinite(x), f"learn: the metric {name!r} is {x}, but must be finite")

    def alike(self, one: Any, other: Any, where: str, before: Any = None) -> None:
        """Require equal numbers up to rounding, relative to their change from `before`."""
        require_same_shapes(where, other, one)
        before = jax.tree.map(jnp.zeros_like, other) if before is None else before
        close, total, far = 0, 0, False
        for a, b, c in zip(*map(jax.tree.leaves, (one, other, before)), strict=True):
            a, b, c = (np.asarray(x, np.float64) for x in (a, b, c))
            finite = np.isfinite(b)
            extent = max(np.abs(b - c)[finite].max(initial=0.0), 1e-4)
            apart = np.where(a == b, 0, np.abs(a - b))  # also where both are infinite
            close += int(np.sum(apart <= 2e-2 * extent))
            far |= not np.all(apart <= FLIPPED * extent)
            total += b.size
        same = f"{where} must give the same results: {total - close} of {total} numbers differ"
        require(close >= ALIKE * total and not far, same)
