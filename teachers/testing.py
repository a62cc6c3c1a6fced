"""Conformance tests for teachers, including your own.

from didact.teachers import testing

def test_my_teacher():
    testing.check(my_teacher, space)
"""

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from didact.common import pictures
from didact.common.conformance import (
    equal,
    is_key,
    name_of,
    numbers,
    require,
    require_same_shapes,
    stated,
)
from didact.environments.task_spaces import TaskSpace
from didact.teachers.adversary.regrets import REGRETS
from didact.teachers.base import FOREIGN, Outcomes, Proposals, Teacher, propose

SCORES = ("value", "positive_value_loss", "mean_negative_advantage", "max_negative_advantage")
ALIKE = 0.97  # the fraction of tasks that must agree


def check(
    make_teacher: Callable[[Any], Teacher],
    space: TaskSpace,
    *,
    n: int = 64,
    rounds: int = 4,
    seed: int = 0,
    ordered: bool = True,
) -> None:
    """Check that a teacher conforms to the interface of `Teacher`.

    - Proposals are finite tasks of the space, with `learn` from 0 to 1 and tags of at least 0, and
      have the right dtypes and shapes.
    - The same keys give the same proposals.
    - The state is a pytree of arrays with fixed structure, shapes and dtypes. Storing and restoring
      it changes nothing.
    - Proposals are the same with and without compilation, and with and without `vmap` over seeds.
    - Rows of weight 0 change nothing, whatever they contain, and wherever they are.
    - Episodes whose returns and scores are infinite or NaN are ignored, like rows of weight 0.
    - Proposals remain tasks of the space after scores that are infinite or NaN, and after episodes
      that were proposed by other teachers.
    - If `ordered` is false, the order of the rows does not matter.
    - The picture is finite and has the documented shapes (see `didact.common.pictures`).

    Args:
        make_teacher: creates the teacher for a task space, such as
            `functools.partial(alp_gmm, k_max=3)`.
        space: the task space.
        n: the number of tasks that are proposed, and of rows that are observed, at once.
        rounds: the number of rounds of proposals and outcomes before most of the tests. Choose the
            settings, `n` and `rounds` such that all code of the teacher runs: a teacher that fits a
            model every 250 episodes should observe more than that.
        seed: the seed of all randomness.
        ordered: whether the teacher may depend on the order in which the episodes of a call ended.

    Raises:
        AssertionError: a check fails; the message says in one sentence which.
    """
    require(n >= 1 and rounds >= 1, f"n is {n} and rounds {rounds}, but both must be at least 1")
    with stated("the teacher"):
        teacher = make_teacher(space)
        require(
            isinstance(teacher, Teacher),
            f"the function must return a `Teacher`, but returns a {type(teacher).__name__}",
        )
        _Check(teacher, space, n, rounds, seed, ordered).run()


def check_shapes(teacher: Teacher, space: TaskSpace, n: int = 8) -> None:
    """Trace a teacher, which checks shapes and dtypes in a fraction of a second.

    Raises:
        AssertionError: a check fails; the message says in one sentence which.
    """

    def life(key: PRNGKeyArray) -> Any:
        state = teacher.init(key)
        proposals, after = propose(teacher, state, key, n)
        score = jnp.zeros(n)
        names = (*SCORES, *(REGRETS if teacher.students > 1 else ()))
        outcomes = Outcomes(score, score, score, score, dict.fromkeys(names, score))
        return state, proposals, after, teacher.observe(after, proposals, outcomes)

    with stated("the teacher"):
        before, proposals, proposed, observed = jax.eval_shape(life, jax.random.key(0))
        require_proposals(proposals, n, space, f"propose(state, key, {n})")
        require_same_shapes("propose", before, proposed)
        require_same_shapes("observe", before, observed)


def require_proposals(proposals: Proposals, n: int, space: TaskSpace, where: str) -> None:
    """Require the shapes and dtypes of n proposals, which may be abstract."""
    shapes = {"tasks": ((n, space.size), np.float32), "learn": ((n,), np.float32)}
    shapes["tag"] = (n,), np.int32
    for name, (shape, dtype) in shapes.items():
        x = getattr(proposals, name)
        require(
            x.shape == shape and x.dtype == dtype,
            f"{where}: {name} is {x.dtype}{list(x.shape)}, "
            f"but must be {np.dtype(dtype)}{list(shape)}",
        )


class _Check:
    """The tests, for one teacher."""

    def __init__(
        self, teacher: Teacher, space: TaskSpace, n: int, rounds: int, seed: int, ordered: bool
    ):
        self.teacher, self.space, self.n, self.rounds = teacher, space, n, rounds
        self.ordered = ordered
        self.key = jax.random.key(seed)
        self.init = jax.jit(teacher.init)
        self.propose = jax.jit(lambda state, key: propose(teacher, state, key, n))
        self.observe = jax.jit(teacher.observe)

    def run(self) -> None:
        batch = self.teacher.batch
        require(
            batch is None or (isinstance(batch, int) and batch >= 1),
            f"batch is {batch!r}, but must be None or a whole number of at least 1",
        )
        students = self.teacher.students
        require(
            isinstance(students, int) and students >= 1,
            f"students is {students!r}, but must be a whole number of at least 1",
        )
        state = self.state_is_a_pytree()
        self.proposals_are_tasks(state)
        state = self.life()
        self.picture_can_be_drawn(state)
        self.same_keys_give_the_same(state)
        self.stored_state_goes_on(state)
        self.rows_of_weight_0_change_nothing(state)
        self.foreign_rows_are_accepted(state)
        self.the_order_of_rows(state)
        self.bad_numbers_are_no_episodes(state)
        self.compiling_changes_nothing(state)
        self.seeds_do_not_mix()

    def state_is_a_pytree(self) -> Any:
        plain, state = self.teacher.init(self.key), self.init(self.key)
        for path, leaf in jax.tree_util.tree_leaves_with_path(plain):
            require(
                isinstance(leaf, jax.Array | np.ndarray),
                f"state{name_of(path)} is of type {type(leaf).__name__}, but must be an array",
            )
        require_same_shapes("init, when it is compiled,", plain, state)
        return state

    def proposals_are_tasks(self, state: Any) -> None:
        for count in sorted({1, self.teacher.batch or 1, self.n}):
            run = jax.jit(lambda state, key, count=count: propose(self.teacher, state, key, count))
            proposals, after = run(state, self.key)
            self.valid(proposals, count, f"propose(state, key, {count})")
            require_same_shapes("propose", state, after)

    def life(self) -> Any:
        """Return the state after some rounds of proposals and outcomes."""
        state = self.init(self.key)
        for number in range(self.rounds):
            key = jax.random.fold_in(self.key, number)
            proposals, state = self.propose(state, key)
            self.valid(proposals, self.n, f"propose in round {number}")
            after = self.observe(state, *self.finished(proposals, key))
            require_same_shapes("observe", state, after)
            state = after
        return state

    def picture_can_be_drawn(self, state: Any) -> None:
        found = self.teacher.picture(state)
        require(isinstance(found, Mapping), "picture must return a dictionary from names to arrays")
        drawn = {name: np.asarray(x) for name, x in found.items()}
        for name, x in drawn.items():
            require(np.all(np.isfinite(x)), f"picture: {name!r} must be finite")
        wrong = pictures.fault(drawn, self.space.size)
        require(wrong is None, f"picture: {wrong}")
        if "levels" in drawn:
            real = drawn["levels"][pictures.used(drawn, pictures.LEVELS)]
            inside = np.all(np.asarray(self.space.contains(jnp.asarray(real))))
            require(inside, "picture: levels that may be replayed must be tasks of the space")

    def same_keys_give_the_same(self, state: Any) -> None:
        require(
            equal(self.propose(state, self.key), self.propose(state, self.key)),
            "propose: the same state and key must give the same proposals",
        )
        require(
            equal(state, self.life()),
            "the same keys and outcomes must lead to the same state",
        )

    def stored_state_goes_on(self, state: Any) -> None:
        leaves, tree = jax.tree.flatten(state)
        stored = [(np.array(numbers(leaf)), is_key(leaf)) for leaf in leaves]
        restored = jax.tree.unflatten(
            tree,
            [
                jax.random.wrap_key_data(jnp.asarray(x)) if key else jnp.asarray(x)
                for x, key in stored
            ],
        )
        one, other = self.propose(state, self.key), self.propose(restored, self.key)
        require(
            equal(one, other),
            "a restored state must propose the same tasks; all randomness must come from keys",
        )
        rows = self.finished(one[0], self.key)
        require(
            equal(self.observe(one[1], *rows), self.observe(other[1], *rows)),
            "a restored state must observe in the same way",
        )

    def rows_of_weight_0_change_nothing(self, state: Any) -> None:
        proposals, outcomes = self.finished(self.propose(state, self.key)[0], self.key)
        empty = (outcomes.weights == 0) | (jnp.arange(self.n) % 4 == 0)
        outcomes = outcomes._replace(weights=jnp.where(empty, 0.0, 1.0))

        def spoilt(x):
            bad = jnp.nan if jnp.issubdtype(x.dtype, jnp.floating) else -7
            return jnp.where(empty.reshape(-1, *[1] * (x.ndim - 1)), bad, x)

        other = jax.tree.map(spoilt, (proposals, outcomes))
        other = other[0], other[1]._replace(weights=outcomes.weights)
        require(
            equal(self.observe(state, proposals, outcomes), self.observe(state, *other)),
            "observe: the content of rows of weight 0 must not matter, even if it is NaN",
        )
        nothing = outcomes._replace(weights=jnp.zeros(self.n))
        require(
            equal(state, self.observe(state, proposals, nothing)),
            "observe: rows of weight 0 must not change the state",
        )

    def foreign_rows_are_accepted(self, state: Any) -> None:
        tasks = self.space.sample(self.key, self.n)
        rows = self.finished(Proposals.of(tasks, tag=FOREIGN), self.key)
        proposals, _ = self.propose(self.observe(state, *rows), self.key)
        self.valid(proposals, self.n, "after episodes of other teachers, propose")

    def the_order_of_rows(self, state: Any) -> None:
        proposals, outcomes = self.finished(self.propose(state, self.key)[0], self.key)
        empty = (outcomes.weights == 0) | (jnp.arange(self.n) % 4 == 0)
        rows = proposals, outcomes._replace(weights=jnp.where(empty, 0.0, 1.0))
        known, _ = self.propose(self.observe(state, *rows), self.key)
        orders = {"observe: the places of rows of weight 0 must not matter: it": jnp.argsort(empty)}
        if not self.ordered:
            orders["observe: the order of rows must not matter: it"] = jnp.arange(self.n)[::-1]
        for where, order in orders.items():
            other = self.observe(state, *jax.tree.map(lambda x, order=order: x[order], rows))
            self.alike(known, self.propose(other, self.key)[0], where)

    def bad_numbers_are_no_episodes(self, state: Any) -> None:
        some = jnp.arange(self.n) % 2 == 0
        for bad in (jnp.nan, jnp.inf, -jnp.inf):
            after = state
            for number in range(self.rounds + 1):
                key = jax.random.fold_in(self.key, number)
                proposals, after = self.propose(after, key)
                self.valid(proposals, self.n, f"after scores of {bad}, propose")
                proposals, outcomes = self.finished(proposals, key)
                without = outcomes._replace(weights=jnp.where(some, 0.0, outcomes.weights))
                scores = {name: jnp.where(some, bad, x) for name, x in outcomes.scores.items()}
                bad_scores = outcomes._replace(scores=scores)
                returns = jnp.where(some, bad, outcomes.returns)
                expected = self.observe(after, proposals, without)
                found = self.observe(after, proposals, bad_scores._replace(returns=returns))
                require(
                    equal(expected, found),
                    f"observe: episodes with returns and scores of {bad} must not change the "
                    "state; `outcomes.valid` says which rows count",
                )
                after = self.observe(after, proposals, bad_scores)

    def compiling_changes_nothing(self, state: Any) -> None:
        plain, _ = propose(self.teacher, state, self.key, self.n)
        compiled, _ = self.propose(state, self.key)
        self.alike(plain, compiled, "propose, when it is compiled,")
        rows = self.finished(compiled, self.key)
        plain, _ = self.propose(self.teacher.observe(state, *rows), self.key)
        compiled, _ = self.propose(self.observe(state, *rows), self.key)
        self.alike(plain, compiled, "observe, when it is compiled,")

    def seeds_do_not_mix(self) -> None:
        def life(key):
            def one(state, key):
                proposals, state = propose(self.teacher, state, key, self.n)
                return self.teacher.observe(state, *self.finished(proposals, key)), None

            keys = jax.random.split(key, self.rounds)
            state, _ = jax.lax.scan(one, self.teacher.init(key), keys)
            return propose(self.teacher, state, key, self.n)[0]

        keys = jax.random.split(self.key, 3)
        together, alone = jax.jit(jax.vmap(life))(keys), jax.jit(life)
        for i, key in enumerate(keys):
            mine = jax.tree.map(lambda x, i=i: x[i], together)
            self.alike(mine, alone(key), "a teacher under vmap over seeds")

    def finished(self, proposals: Proposals, key: PRNGKeyArray) -> tuple[Proposals, Outcomes]:
        """Shuffle proposals and add outcomes; a random number of rows are episodes."""
        n, names = (self.n,), (*SCORES, *(REGRETS if self.teacher.students > 1 else ()))
        keys = jax.random.split(key, 6 + len(names))
        order = jax.random.permutation(keys[0], self.n)
        success = jax.random.bernoulli(keys[1], 0.5, n).astype(jnp.float32)
        part = jax.random.uniform(keys[2], minval=0.3)
        outcomes = Outcomes(
            success * jax.random.uniform(keys[3], n),
            success,
            jax.random.randint(keys[4], n, 1, 50).astype(jnp.float32),
            jax.random.bernoulli(keys[5], part, n).astype(jnp.float32),
            {name: jax.random.uniform(k, n) for name, k in zip(names, keys[6:], strict=True)},
        )
        return jax.tree.map(lambda x: x[order], proposals), outcomes

    def valid(self, proposals: Proposals, n: int, where: str) -> None:
        """Check that proposals are n tasks of the space, with valid `learn` and tags."""
        require_proposals(proposals, n, self.space, where)
        tasks, learn, tag = (np.asarray(x) for x in proposals)
        bad = tasks[~np.all(np.isfinite(tasks), axis=1)]
        require(not len(bad), f"{where}: the task {bad[:1].tolist()} is not finite")
        bad = tasks[~np.asarray(self.space.contains(proposals.tasks))]
        require(not len(bad), f"{where}: the task {bad[:1].tolist()} is not in the task space")
        require(np.all((learn >= 0) & (learn <= 1)), f"{where}: learn must be from 0 to 1")
        require(np.all(tag >= 0), f"{where}: tags must be at least 0")

    def alike(self, one: Proposals, other: Proposals, where: str) -> None:
        """Check that proposals agree, except for a few draws that rounding errors may change."""
        extent = np.maximum(np.asarray(self.space.high) - np.asarray(self.space.low), 1e-6)
        close = np.all(np.abs(np.asarray(one.tasks - other.tasks)) <= 1e-3 * extent, axis=1)
        close &= np.asarray((one.learn == other.learn) & (one.tag == other.tag))
        require(
            close.mean() >= ALIKE,
            f"{where} must propose the same: {np.sum(~close)} of {self.n} tasks differ",
        )
