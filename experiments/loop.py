"""The compiled training loop: propose tasks, collect a rollout, update teacher and student.

Everything between two log lines is one XLA program. `vmap` over seeds and `shard_map` over
devices wrap the same `update`.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int, PRNGKeyArray

from didact.environments import Environment, Restart, SettingError
from didact.experiments import rollout
from didact.experiments.actors import PrivilegedObservations, student_actor
from didact.experiments.distributed import placed
from didact.experiments.evaluation.achievements import ACHIEVED
from didact.experiments.finite import Magnitudes, magnitudes
from didact.experiments.rollout import MAX, Episodes, RolloutState, Runner, collect
from didact.experiments.tasks import prepared_proposals, shared_levels, task_sources
from didact.students import Student
from didact.students.algorithms.side_by_side import side_by_side
from didact.teachers import Outcomes, Proposals, Teacher, propose
from didact.teachers.adversary.regrets import REGRETS

DEVICES = "devices"
SEEDS = "seeds"


class TrainState(NamedTuple):
    """The whole state of a training. With several seeds, each leaf has a leading axis of seeds."""

    student: Any
    teacher: Any
    worlds: RolloutState
    prepared: Any  # `prepared_proposals.Prepared` for a teacher with a `batch`, else ()
    key: PRNGKeyArray
    updates: Int[Array, ""]
    # For a teacher with several students: the states of the others, and the levels that all play.
    antagonists: tuple[Any, ...] = ()
    levels: Any = ()


class Records(NamedTuple):
    """Data that the host reads after a chunk of k updates, each with m rows of episodes."""

    metrics: dict[str, Float[Array, " k"]]
    tasks: Float[Array, "k m d"]
    outcomes: Outcomes  # each [k, m]
    magnitudes: Magnitudes  # each [k]


class Loop:
    """A training, as pure functions of its state.

    Args:
        environment, teacher, student: the components of the training. A student for several
            devices or seeds must be made with `axes=(DEVICES,)` and `seeds_axis=SEEDS`. A teacher
            with several students trains further students of the same design side by side.
        num_envs: number of environments, over all devices and students.
        rollout_length: steps per environment and update.
        outcomes_per_update: number of finished episodes that the teacher observes in each update;
            if more finish, an evenly spaced subset is used. Defaults to one per environment and 32
            steps, and at least one per environment; and to the number of levels at once if several
            students play each of them.
        devices: devices over which the environments are sharded; parameters are replicated.
        num_seeds: number of trainings that run side by side in the same program.
        group_size: how many environments are restarted at once, see `Restart`.
        reveal: privileged observations for the student's experts, see `student_actor`.
        slots: for a teacher with a `batch`, the number of proposals prepared per environment. An
            environment that finishes more episodes in a rollout waits for the next rollout: those
            steps belong to no episode and are not learned from. The metric `waiting` reports their
            share.

    Raises:
        SettingError: `num_envs` is not a multiple of the number of devices (times that of students,
            if there are several), or `slots` is below 1.
    """

    def __init__(
        self,
        environment: Environment,
        teacher: Teacher,
        student: Student,
        *,
        num_envs: int,
        rollout_length: int,
        outcomes_per_update: int | None = None,
        devices: Sequence[Any] | None = None,
        num_seeds: int = 1,
        group_size: int | None = None,
        reveal: PrivilegedObservations | None = None,
        slots: int = 2,
    ):
        self.environment, self.teacher, self.student = environment, teacher, student
        self.num_envs, self.rollout_length = num_envs, rollout_length
        self.num_seeds, self.slots = num_seeds, slots
        devices = devices or jax.devices()[:1]
        if num_envs % len(devices):
            raise SettingError("num_envs", num_envs, f"a multiple of the {len(devices)} devices")
        self.students = teacher.students
        if num_envs % (len(devices) * self.students):
            parts = f"{len(devices)} times the {self.students} students of the teacher"
            raise SettingError("num_envs", num_envs, f"a multiple of {parts}")
        if slots < 1:
            raise SettingError("slots", slots, "at least 1")
        self.local_envs = num_envs // len(devices)
        # Environments that play different levels: all, or those of one student.
        self.num_levels = num_envs // self.students
        self.local_levels = self.local_envs // self.students
        rows = num_envs * max(1, rollout_length // 32) if self.students == 1 else self.num_levels
        rows = outcomes_per_update or rows
        self.local_outcomes = max(1, rows // len(devices))
        self.restart = Restart(environment, group_size)
        self.team = side_by_side(student, self.students) if self.students > 1 else student
        self.reveal = reveal
        self.actor = student_actor(self.team, reveal=reveal)
        self.mesh = Mesh(np.array(devices), (DEVICES,))
        split = PartitionSpec(None, DEVICES) if num_seeds > 1 else PartitionSpec(DEVICES)
        whole = PartitionSpec()
        ready = prepared_proposals.Prepared._make([split, split, split, whole, whole])
        specs: list[Any] = [whole, whole, split, ready if teacher.batch else (), whole, whole]
        specs += [whole, split] if self.students > 1 else [(), ()]
        self.specs = TrainState._make(specs)
        # Replaced by callers that handle signals during compilations.
        self.compile: Callable[[Any], Any] = lambda lowered: lowered.compile()
        self._chunks: dict[int, Any] = {}

    def init(self, seed: int) -> TrainState:
        """Return the state before the first update; the seeds are `seed`, `seed` + 1, ..."""
        if self.num_seeds == 1:
            key, student_key = jax.random.split(jax.random.key(seed))
            student_state = self._new_students(student_key)
            state = self._compiled(self._init, key, student_state)(key, student_state)
        else:
            keys = jax.vmap(jax.random.key)(jnp.arange(seed, seed + self.num_seeds))
            keys, student_keys = jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)
            students = self._new_students(student_keys)
            init = jax.vmap(self._init, axis_name=SEEDS)
            state = self._compiled(init, keys, students)(keys, students)
        return self.place(state)

    def new_students(self, seed: int) -> Any:
        """Return the states of untrained students, as `init` does for `TrainState.student`."""
        if self.num_seeds == 1:
            made = self._new_students(jax.random.key(seed))
        else:
            keys = jax.vmap(jax.random.key)(jnp.arange(seed, seed + self.num_seeds))
            made = self._new_students(keys)
        return self.separate(made)[0]

    def _new_students(self, keys: PRNGKeyArray) -> Any:
        if self.num_seeds == 1:
            return self._compiled(self.team.init, keys)(keys)
        # Students are initialised one after another: batched factorisations (of orthogonal
        # weights) that run concurrently can deadlock, each waiting for the threads of the other
        # (jax 0.10, CPU).
        return self._compiled(functools.partial(jax.lax.map, self.team.init), keys)(keys)

    def place(self, state: TrainState) -> TrainState:
        """Place every leaf of a state on its devices."""
        shardings = jax.tree.map(lambda spec: NamedSharding(self.mesh, spec), self.specs)
        return jax.tree.map(lambda sharding, part: placed(part, sharding), shardings, state)

    def chunk(self, state: TrainState, num_updates: int) -> tuple[TrainState, Records]:
        """Run `num_updates` updates in one program; the given state is donated.

        With several seeds, metrics and rows of the records have a leading axis of seeds.
        """
        state, records = self.compiled(state, num_updates)(state)
        # XLA replicates arrays without elements, such as the carry of a student without memory.
        return self.place(state) if self.mesh.size > 1 else state, records

    def compiled(self, state: TrainState, num_updates: int) -> Any:
        """Return the compiled program for chunks of `num_updates` updates."""
        if num_updates not in self._chunks:

            def run(state):
                return jax.lax.scan(lambda s, _: self.update(s), state, length=num_updates)

            many = jax.vmap(run, axis_name=SEEDS) if self.num_seeds > 1 else run
            program = jax.shard_map(
                many,
                mesh=self.mesh,
                in_specs=(self.specs,),
                out_specs=(self.specs, PartitionSpec()),
                check_vma=False,
            )
            lowered = jax.jit(program, donate_argnums=0).lower(state)
            self._chunks[num_updates] = self.compile(lowered)
        return self._chunks[num_updates]

    def _compiled(self, function: Callable[..., Any], *arguments: Any) -> Any:
        return self.compile(jax.jit(function).lower(*arguments))

    def _init(self, key: PRNGKeyArray, student_state: Any) -> TrainState:
        key, teacher_key = jax.random.split(key)
        n, size = self.num_envs, self.environment.task_space.size
        worlds = rollout.new_worlds(self.environment, self.actor, n)
        # An abstract step determines which totals are carried from rollout to rollout.
        take, queue = task_sources.by_step(Proposals.of(jnp.zeros((1, n, size))))
        runner = Runner(self.environment, self.restart, self.actor, take)
        shapes = jax.eval_shape(
            lambda worlds: collect(runner, self.team, student_state, worlds, queue, key, 1)[0],
            worlds,
        )
        totals = {name: jnp.full(n, rollout.no_total(name)) for name in shapes.totals}
        batch, m = self.teacher.batch, self.num_levels
        first, others = self.separate(student_state)
        return TrainState(
            first,
            self.teacher.init(teacher_key),
            worlds._replace(totals=totals),
            prepared_proposals.empty(size, m, self.slots, batch) if batch else (),
            key,
            jnp.zeros((), jnp.int32),
            others,
            shared_levels.empty(size, m, self.students, totals) if self.students > 1 else (),
        )

    def initial_carry(self) -> Any:
        """Return the carry of all environments at the start of an episode."""
        parts = self.num_envs // self.local_envs
        carry = self.actor.initial_carry(self.local_envs)
        return jax.tree.map(lambda x: jnp.tile(x, (parts, *[1] * (x.ndim - 1))), carry)

    def together(self, state: TrainState) -> Any:
        """Return the state of `team`: all students."""
        return (state.student, *state.antagonists) if self.students > 1 else state.student

    def separate(self, state: Any) -> tuple[Any, tuple[Any, ...]]:
        """Return the states of the student and of the antagonists; the inverse of `together`."""
        return (state[0], tuple(state[1:])) if self.students > 1 else (state, ())

    def update(self, state: TrainState) -> tuple[TrainState, Records]:
        """Propose, act, observe and learn, on one device's share of the environments."""
        key, propose_key, act_key, learn_key = jax.random.split(state.key, 4)
        device = jax.lax.axis_index(DEVICES)
        ready, teacher_state = self.propose(state, propose_key)
        act_key = jax.random.fold_in(act_key, device)
        worlds, queue, taken, episodes, waited = self.collect(state, ready, act_key)
        levels, finished = (), episodes
        if self.students > 1:
            queue, levels = queue
            levels, finished = shared_levels.observe(levels, episodes)
        proposals, outcomes = self.report(finished)
        teacher_state = self.teacher.observe(teacher_state, proposals, outcomes)
        learned, metrics = self.team.learn(
            self.together(state), taken, jax.random.fold_in(learn_key, device)
        )
        student_state, others = self.separate(learned)
        own = jax.tree.map(lambda x: x[:, : self.local_levels], episodes)
        metrics = jax.lax.pmean(metrics, DEVICES) | _episode_metrics(own)
        if self.students > 1:
            metrics |= _level_metrics(finished)
        left = ()
        if self.teacher.batch:
            left = ready._replace(at=queue[0], left=queue[1])
            metrics["waiting"] = jax.lax.pmean(waited / episodes.done.size, DEVICES)
        sizes = magnitudes(proposals, outcomes, taken, (student_state, *others), DEVICES)
        updates = state.updates + 1
        state = TrainState(student_state, teacher_state, worlds, left, key, updates, others, levels)
        return state, Records(metrics, proposals.tasks, outcomes, sizes)

    def propose(self, state: TrainState, key: PRNGKeyArray) -> tuple[Any, Any]:
        """Propose tasks for this device's environments.

        All devices call the teacher with the same state and key, and each takes its own part.

        Returns:
            `Proposals` for each step and environment (if several students play each level: for
            each group of environments), or `Prepared` ones for a teacher with a `batch`; and the
            teacher's new state.
        """
        if self.teacher.batch:
            return prepared_proposals.refill(
                self.teacher, state.teacher, state.prepared, key, DEVICES
            )
        shape = (self.rollout_length if self.students == 1 else 1, self.num_levels)
        proposals, teacher_state = propose(self.teacher, state.teacher, key, shape[0] * shape[1])
        first = jax.lax.axis_index(DEVICES) * self.local_levels

        def mine(x):
            x = x.reshape(*shape, *x.shape[1:])
            return jax.lax.dynamic_slice_in_dim(x, first, self.local_levels, 1)

        return jax.tree.map(mine, proposals), teacher_state

    def collect(self, state: TrainState, ready: Any, key: PRNGKeyArray) -> tuple[Any, ...]:
        """Collect a rollout with the result of `propose`; see `rollout.collect`."""
        source = prepared_proposals.from_slots if self.teacher.batch else task_sources.by_step
        take, queue = source(ready)
        if self.students > 1:
            key, level_key = jax.random.split(key)
            take, queue = shared_levels.begin(state.levels, take, queue, level_key)
        runner = Runner(self.environment, self.restart, self.actor, take)
        together, steps = self.together(state), self.rollout_length
        return collect(runner, self.team, together, state.worlds, queue, key, steps)

    def report(self, episodes: Episodes) -> tuple[Proposals, Outcomes]:
        """Return the finished episodes of all devices as rows, in the order in which they ended."""
        done = episodes.done.reshape(-1)
        rows = self.local_outcomes
        size = done.shape[0]
        order = jnp.nonzero(done, size=size, fill_value=size)[0]
        count = jnp.sum(done)
        spread = (jnp.arange(rows) * (jnp.maximum(count, rows) / rows)).astype(jnp.int32)
        index = order[jnp.minimum(spread, size - 1)]
        weights = (index < size).astype(jnp.float32)
        index = jnp.minimum(index, size - 1)

        def pick(x):
            return x.reshape(size, *x.shape[2:])[index]

        totals = {
            name: pick(x) for name, x in episodes.totals.items() if not name.startswith(ACHIEVED)
        }
        returns, lengths = totals.pop("return"), totals.pop("length")
        steps = jnp.maximum(lengths, 1)
        whole = {k for k in totals if k.startswith(MAX) or k in REGRETS}
        scores = {k: x if k in whole else x / steps for k, x in totals.items()}
        success = pick(episodes.success).astype(jnp.float32)
        proposals = Proposals(pick(episodes.tasks), pick(episodes.learn), pick(episodes.tag))
        outcomes = Outcomes(returns, success, lengths, weights, scores)
        ended = jnp.where(weights > 0, index // episodes.done.shape[1], self.rollout_length)
        ended, *all_rows = jax.lax.all_gather((ended, proposals, outcomes), DEVICES, tiled=True)
        if self.mesh.size > 1:
            order = jnp.argsort(ended, stable=True)
            all_rows = jax.tree.map(lambda x: x[order], all_rows)
        return all_rows[0], all_rows[1]


def _episode_metrics(episodes: Episodes) -> dict[str, Array]:
    """Return sums over the episodes that ended; divide by `episodes` to get means."""
    done = episodes.done

    def total(x):
        return jax.lax.psum(jnp.sum(jnp.where(done, x, 0), dtype=jnp.float32), DEVICES)

    return {
        "episodes": total(jnp.ones(done.shape)),
        "return_sum": total(episodes.totals["return"]),
        "length_sum": total(episodes.totals["length"]),
        "success_sum": total(episodes.success),
        **{name: total(x) for name, x in episodes.totals.items() if name.startswith(ACHIEVED)},
    }


def _level_metrics(levels: Episodes) -> dict[str, Array]:
    """Return the number of levels that several students have finished, and their summed regret."""
    regret = jnp.where(levels.done, levels.totals["regret"], 0)
    found = {"levels": jnp.sum(levels.done, dtype=jnp.float32), "regret_sum": jnp.sum(regret)}
    return jax.lax.psum(found, DEVICES)
