"""Steps per second of a whole training, and the time shares of its components."""

from typing import Any

import jax
from jax.sharding import PartitionSpec

from didact.benchmarks.config import ThroughputConfig
from didact.benchmarks.speed.timing import Loop as Timed
from didact.benchmarks.speed.timing import interleaved, shares, spread
from didact.common.settings import plain
from didact.environments import Restart
from didact.experiments import setup
from didact.experiments.config import TrainConfig, checked
from didact.teachers import propose

WARM_UPDATES = 24  # enough that episodes end and every update fits the teacher's mixtures


def training(config: ThroughputConfig, settings: TrainConfig | None = None) -> dict[str, Any]:
    """Time the update of a training and its components in interleaved rounds, on one device.

    Args:
        config: number and length of the timing rounds.
        settings: training settings; the defaults without a warm-up if None.

    Returns:
        `settings`, `steps_per_second` of the whole update (median, min, max), `compile_seconds`,
        and `shares`: the fraction of an update taken by `environment` (steps, restarts and
        observations), `acting` (the network in the rollout), `teacher` (proposals, and fits to
        the outcomes) and `learning`; `rest` is the remainder.
    """
    if settings is None:
        settings = checked(
            TrainConfig(
                env="GoTo",
                teacher="alp_gmm",
                warm_up=0,
                seed=config.seed,
                num_envs=config.training_num_envs,
            )
        )
    environment = setup.environment_of(settings)
    loop = setup.loop_of(settings, environment, jax.devices()[:1])
    n, steps = settings.num_envs, settings.rollout_length

    def on_device(function):
        everywhere = PartitionSpec()
        return jax.shard_map(
            function, mesh=loop.mesh, in_specs=everywhere, out_specs=everywhere, check_vma=False
        )

    state, _ = loop.chunk(loop.init(config.seed), WARM_UPDATES)

    def play(state):
        ready, _ = loop.propose(state, state.key)
        _, _, rollout, episodes, _ = loop.collect(state, ready, state.key)
        return ready, rollout, loop.report(episodes)

    ready, rollout, (rows, outcomes) = jax.jit(on_device(play))(state)
    tasks = ready.tasks
    restart = Restart(environment)

    def rollouts(carry):
        state, ready = carry
        worlds = loop.collect(state, ready, state.key)[0]
        return state._replace(worlds=worlds, key=_next(state.key)), ready

    def environments(carry):
        key, state, seen = carry

        def step(carry, now):
            state, seen = carry
            action_key, step_key, reset_key, tasks = *jax.random.split(now[0], 3), now[1]
            action = environment.action_space.sample(action_key, n)
            state, seen = environment.step(step_key, state, action)
            keys = jax.random.split(reset_key, n)
            state, seen = restart(keys, tasks, seen.done, state, seen)
            return (state, seen), None

        keys = jax.random.split(key, steps)
        carry, _ = jax.lax.scan(step, (state, seen), (keys, tasks))
        return _next(key), *carry

    def teach(carry):
        key, teacher, _ = carry
        # All proposals are results, so that the compiler cannot eliminate any part of them.
        proposed, teacher = propose(loop.teacher, teacher, key, n * steps)
        return _next(key), loop.teacher.observe(teacher, rows, outcomes), proposed

    def learn(carry):
        key, student, rollout = carry
        return _next(key), loop.student.learn(student, rollout, key)[0], rollout

    world, seen = jax.jit(environment.reset)(state.key, tasks[0])
    first = jax.jit(lambda teacher, key: propose(loop.teacher, teacher, key, n * steps)[0])
    calls = {
        "update": Timed(on_device(lambda s: loop.update(s)[0]), state),
        "rollout": Timed(on_device(rollouts), (state, ready)),
        "environment": Timed(environments, (state.key, world, seen)),
        "teacher": Timed(teach, (state.key, state.teacher, first(state.teacher, state.key))),
        "learning": Timed(on_device(learn), (state.key, state.student, rollout)),
    }
    times = interleaved(calls, config.repeats, config.seconds)
    median = {name: spread(seconds)["median"] for name, seconds in times.items()}
    pieces = {
        "environment": median["environment"],
        "acting": median["rollout"] - median["environment"],
        "teacher": median["teacher"],
        "learning": median["learning"],
    }
    return {
        "settings": {
            "env": settings.env,
            "teacher": settings.teacher,
            "num_envs": n,
            "rollout_length": steps,
            "network": plain(settings.ppo.network),
        },
        "steps_per_second": spread([n * steps / seconds for seconds in times["update"]]),
        "compile_seconds": round(calls["update"].compile_seconds, 2),
        "seconds": median,
        "shares": {k: round(v, 4) for k, v in shares(pieces, median["update"]).items()},
    }


def _next(key: jax.Array) -> jax.Array:
    return jax.random.fold_in(key, 1)
