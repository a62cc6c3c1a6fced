"""The compiled loop: a teacher proposes, worlds are made, a student acts and learns.

Everything between two log lines is one XLA program. `vmap` over seeds and `shard_map` over
devices wrap the same `update`.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Array, Float, Int, PRNGKeyArray

from didact.environments import Environment, Restart, SettingError
from didact.experiments.rollout import Episodes, Reveal, Worlds, collect, start_worlds
from didact.students import Student
from didact.teachers import Outcomes, Teacher

DEVICES = "devices"
SEEDS = "seeds"


class TrainState(NamedTuple):
    """Everything of a training. With several seeds, every leaf has a leading axis of seeds."""

    student: Any
    teacher: Any
    worlds: Worlds
    key: PRNGKeyArray
    updates: Int[Array, ""]


class Records(NamedTuple):
    """What the host reads after a chunk of k updates; m rows of finished episodes for each."""

    metrics: dict[str, Float[Array, " k"]]
    tasks: Float[Array, "k m d"]
    outcomes: Outcomes  # each [k, m]


class Loop:
    """A training, as functions of its state.

    Args:
        environment, teacher, student: the three that are joined. A student for several devices
            or seeds is made with `axes=(DEVICES,)` and `seeds_axis=SEEDS`.
        num_envs: worlds, over all devices.
        rollout_length: steps of each world between two updates.
        outcomes_per_update: finished episodes that the teacher learns of in each update; where
            more finish, these are spread evenly over them.
        devices: the devices over which the worlds are spread; parameters are on all of them.
        num_seeds: trainings that run beside each other in the same program.
        reveal: what the student's experts may know beside the observation; see `collect`.

    Raises:
        SettingError: the worlds cannot be spread evenly over the devices.
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
        reveal: Reveal | None = None,
    ):
        self.reveal = reveal
        self.environment, self.teacher, self.student = environment, teacher, student
        self.num_envs, self.rollout_length = num_envs, rollout_length
        self.num_seeds = num_seeds
        devices = devices or jax.devices()[:1]
        if num_envs % len(devices):
            raise SettingError("num_envs", num_envs, f"a multiple of the {len(devices)} devices")
        self.local_envs = num_envs // len(devices)
        rows = outcomes_per_update or num_envs
        self.local_outcomes = max(1, rows // len(devices))
        self.restart = Restart(environment, group_size)
        self.mesh = Mesh(np.array(devices), (DEVICES,))
        worlds = PartitionSpec(None, DEVICES) if num_seeds > 1 else PartitionSpec(DEVICES)
        everywhere = PartitionSpec()
        specs: list[Any] = [everywhere, everywhere, worlds, everywhere, everywhere]
        self.specs = TrainState._make(specs)
        self._chunks: dict[int, Any] = {}

    def init(self, seed: int) -> TrainState:
        """The state before the first update; seeds are `seed`, `seed` + 1, ..."""
        if self.num_seeds == 1:
            key, student_key = jax.random.split(jax.random.key(seed))
            student_state = jax.jit(self.student.init)(student_key)
            state = jax.jit(self._init)(key, student_state)
        else:
            keys = jax.vmap(jax.random.key)(jnp.arange(seed, seed + self.num_seeds))
            keys, student_keys = jnp.moveaxis(jax.vmap(jax.random.split)(keys), 1, 0)
            # One student after another: batched factorisations (of orthogonal weights) that run
            # at the same time can wait for each other's threads for ever (jax 0.10, CPU).
            students = jax.jit(lambda keys: jax.lax.map(self.student.init, keys))(student_keys)
            state = jax.jit(jax.vmap(self._init, axis_name=SEEDS))(keys, students)
        return self.place(state)

    def place(self, state: TrainState) -> TrainState:
        """The state with every leaf on the devices where it belongs."""
        shardings = jax.tree.map(lambda spec: NamedSharding(self.mesh, spec), self.specs)
        parts = zip(state, shardings, strict=True)
        return TrainState._make(jax.device_put(part, sharding) for part, sharding in parts)

    def chunk(self, state: TrainState, num_updates: int) -> tuple[TrainState, Records]:
        """`num_updates` updates in one program; the state given is used up.

        Metrics and rows of the records have a leading axis of seeds where there are several.
        """
        return self.compiled(state, num_updates)(state)

    def compiled(self, state: TrainState, num_updates: int) -> Any:
        """The compiled program for chunks of this length."""
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
            self._chunks[num_updates] = jax.jit(program, donate_argnums=0).lower(state).compile()
        return self._chunks[num_updates]

    def _init(self, key: PRNGKeyArray, student_state: Any) -> TrainState:
        key, teacher_key, propose_key, reset_key = jax.random.split(key, 4)
        tasks, teacher_state = self.teacher.propose(
            self.teacher.init(teacher_key), propose_key, self.num_envs
        )
        worlds = start_worlds(self.environment, self.student, reset_key, tasks)
        # One abstract rollout tells which sums are carried from rollout to rollout.
        shapes = jax.eval_shape(
            lambda w: (
                collect(
                    self.environment,
                    self.restart,
                    self.student,
                    student_state,
                    w,
                    key,
                    jnp.zeros((1, *tasks.shape)),
                    self.reveal,
                )[0].totals
            ),
            worlds,
        )
        totals = {name: jnp.zeros(self.num_envs) for name in shapes}
        worlds = worlds._replace(totals=totals)
        return TrainState(student_state, teacher_state, worlds, key, jnp.zeros((), jnp.int32))

    def update(self, state: TrainState) -> tuple[TrainState, Records]:
        """Propose, act, observe, learn. Runs on one device's share of the worlds."""
        key, propose_key, act_key, learn_key = jax.random.split(state.key, 4)
        device = jax.lax.axis_index(DEVICES)
        tasks, teacher_state = self.propose(state.teacher, propose_key, device)
        worlds, rollout, episodes = collect(
            self.environment,
            self.restart,
            self.student,
            state.student,
            state.worlds,
            jax.random.fold_in(act_key, device),
            tasks,
            self.reveal,
        )
        rows, outcomes = self.report(episodes)
        teacher_state = self.teacher.observe(teacher_state, rows, outcomes)
        student_state, metrics = self.student.learn(
            state.student, rollout, jax.random.fold_in(learn_key, device)
        )
        metrics = jax.lax.pmean(metrics, DEVICES) | _episode_metrics(episodes)
        state = TrainState(student_state, teacher_state, worlds, key, state.updates + 1)
        return state, Records(metrics, rows, outcomes)

    def propose(self, teacher_state: Any, key: PRNGKeyArray, device: Int[Array, ""]):
        """Tasks `[rollout_length, local worlds, d]` for this device, and the teacher's state."""
        shape = (self.rollout_length, self.num_envs)
        tasks, teacher_state = self.teacher.propose(teacher_state, key, shape[0] * shape[1])
        tasks = tasks.reshape(*shape, -1)
        first = device * self.local_envs
        return jax.lax.dynamic_slice_in_dim(tasks, first, self.local_envs, 1), teacher_state

    def report(self, episodes: Episodes) -> tuple[Float[Array, "m d"], Outcomes]:
        """The finished episodes of all devices as rows, in the order in which they ended."""
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

        totals = {name: pick(x) for name, x in episodes.totals.items()}
        lengths = totals.pop("length")
        outcomes = Outcomes(
            totals.pop("return"),
            pick(episodes.success).astype(jnp.float32),
            lengths,
            weights,
            {name: x / jnp.maximum(lengths, 1) for name, x in totals.items()},
        )
        ended = jnp.where(weights > 0, index // self.local_envs, self.rollout_length)
        ended, *told = jax.lax.all_gather(
            (ended, pick(episodes.tasks), outcomes), DEVICES, tiled=True
        )
        if self.mesh.size > 1:
            order = jnp.argsort(ended, stable=True)
            told = jax.tree.map(lambda x: x[order], told)
        return told[0], told[1]


def _episode_metrics(episodes: Episodes) -> dict[str, Array]:
    """Sums over the episodes that ended: divide by `episodes` for means."""
    done = episodes.done

    def total(x):
        return jax.lax.psum(jnp.sum(jnp.where(done, x, 0), dtype=jnp.float32), DEVICES)

    return {
        "episodes": total(jnp.ones(done.shape)),
        "return_sum": total(episodes.totals["return"]),
        "length_sum": total(episodes.totals["length"]),
        "success_sum": total(episodes.success),
    }
