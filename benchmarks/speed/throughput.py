"""Steps per second of the grid environments, compared with other packages.

Each row is one environment under random actions, with a new level at the end of each episode and
the observation carried through the loop. All rows with the same number of environments are timed
in interleaved rounds in one process, and a ratio is the median of the ratios within each round.
"""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec
from jaxtyping import PRNGKeyArray
from rich.console import Group
from rich.table import Table

from didact.benchmarks import hardware
from didact.benchmarks.config import ThroughputConfig
from didact.benchmarks.registry import Benchmark
from didact.benchmarks.speed.peers import (
    PEERS,
    Contestant,
    Unavailable,
    random_actions,
    scan_length,
)
from didact.benchmarks.speed.timing import Loop, interleaved, spread
from didact.benchmarks.speed.training_breakdown import training
from didact.common.settings import UnknownSetting
from didact.environments import Environment, Restart, SettingError, make, registered, split_keys
from didact.environments.registry import suggest
from didact.environments.spaces import discrete
from didact.experiments.config import TrainConfig

__all__ = ["ThroughputConfig", "play", "table", "throughput"]

PACKED = "/packed"  # suffix of a level's name: pack each cell of the view into one byte

NOTES = (
    "total environment steps per second: median over the repeats (slowest to fastest)",
    "ratios compare with the same level in the other package; xminigrid has no instructions",
    "navix is omitted: it is incompatible with jax 0.10",
)


def play(
    environment: Environment, num_envs: int, key: PRNGKeyArray, devices: Sequence[Any] = ()
) -> Loop:
    """Return a compiled scan of random actions with restarts, `scan_length(num_envs)` steps a call.

    The carry is `(key, state, observation, episodes, reward)`; the last two are sums over all
    calls, with one row per device.

    Args:
        environment: environment to play.
        num_envs: number of parallel environments.
        key: key of the levels and actions.
        devices: devices over which the environments are sharded, each running its own scan; empty
            for the default device.
    """
    parts = max(1, len(devices))
    if num_envs % parts:
        raise SettingError("num_envs", num_envs, f"a multiple of the number of devices, {parts}")
    each, steps = num_envs // parts, scan_length(num_envs)
    space, restart = environment.task_space, Restart(environment)

    def start(keys):
        key, tasks_key, reset_key = jax.random.split(keys[0], 3)
        state, timestep = environment.reset(reset_key, space.sample(tasks_key, each))
        return key[None], state, timestep.observation, jnp.zeros(1, jnp.int32), jnp.zeros(1)

    def run(carry):
        keys, *carry = carry
        key, tasks_key, actions_key, steps_key = jax.random.split(keys[0], 4)
        # Tasks are sampled once per call, like a teacher's proposals for a rollout; levels are
        # generated from them with a new key at every step.
        tasks = space.sample(tasks_key, each)

        def step(carry, drawn):
            state, _, episodes, reward = carry
            step_key, restart_key = jax.random.split(drawn[0])
            state, timestep = environment.step(step_key, state, drawn[1])
            episodes += jnp.sum(timestep.done, dtype=jnp.int32)
            reward += jnp.sum(timestep.reward)
            restart_keys = split_keys(restart_key, each)
            state, timestep = restart(restart_keys, tasks, timestep.done, state, timestep)
            return (state, timestep.observation, episodes, reward), None

        actions = random_actions(
            actions_key, steps, each, discrete(environment.action_space, "this").n
        )
        drawn = (jax.random.split(steps_key, steps), actions)
        carry, _ = jax.lax.scan(step, tuple(carry), drawn)
        return key[None], *carry

    if devices:
        rows = PartitionSpec("num_envs")
        mesh = Mesh(np.array(devices), ("num_envs",))
        start = jax.shard_map(start, mesh=mesh, in_specs=rows, out_specs=rows, check_vma=False)
        run = jax.shard_map(run, mesh=mesh, in_specs=(rows,), out_specs=rows, check_vma=False)
    return Loop(run, jax.jit(start)(jax.random.split(key, parts)))


def ours(level: str, num_envs: int, seed: int, devices: Sequence[Any] = ()) -> Contestant:
    """Return one of didact's environments as a contestant.

    Raises:
        Unavailable: the environment has no packed observation.
    """
    name = level.removesuffix(PACKED)
    try:
        environment = make(name, packed=True) if level.endswith(PACKED) else make(name)
    except UnknownSetting:
        raise Unavailable(f"{name} has no packed observation") from None
    loop = play(environment, num_envs, jax.random.key(seed), devices)
    return Contestant(
        package="didact",
        level=name,
        name=level + (f", {len(devices)} devices" if devices else ""),
        num_envs=num_envs,
        observation=", ".join(
            " ".join([key, "x".join(map(str, space.shape))]).strip()
            for key, space in environment.observation_space.items()
        ),
        steps=scan_length(num_envs) * num_envs,
        call=loop,
        compile_seconds=loop.compile_seconds,
    )


def check(config: ThroughputConfig) -> None:
    """Raise a `SettingError` if a setting is invalid."""
    if not config.num_envs or min(config.num_envs) < 1:
        raise SettingError("--num-envs", config.num_envs, "integers of at least 1")
    if not (math.isfinite(config.seconds) and config.seconds > 0):
        raise SettingError("--seconds", config.seconds, "more than 0")
    if config.repeats < 1:
        raise SettingError("--repeats", config.repeats, "at least 1")
    if config.threads < 0:
        raise SettingError("--threads", config.threads, "at least 0")
    parts = TrainConfig().ppo.num_minibatches
    if config.training and (config.training_num_envs < 1 or config.training_num_envs % parts):
        allowed = f"a multiple of the {parts} minibatches"
        raise SettingError("--training-num-envs", config.training_num_envs, allowed)
    known = [entry.name for entry in registered()]
    for level in config.levels:
        if level.removesuffix(PACKED) not in known:
            raise suggest("--levels", level, known)
    for peer in config.peers:
        if peer not in PEERS:
            raise SettingError("--peers", peer, "one of " + ", ".join(PEERS))


def throughput(config: ThroughputConfig) -> dict[str, Any]:
    """Run the benchmark and return a JSON-compatible result.

    Returns:
        `machine`: processor, cores, devices and versions.
        `settings`: the configuration.
        `rows`: for each contestant its `package`, `name`, `group` (the number of environments of
            the section it belongs to), `num_envs`, `observation`, `steps_per_second` (median, min
            and max over the repeats), `compile_seconds` (None where nothing compiles) and, for
            didact, `ratios`: by package, the speed relative to the fastest configuration of the
            same level in that package.
        `skipped`: contestants that were skipped, each with `name` and `reason`.
        `notes`: remarks on the comparison.
        `training`: result of `training`, or None.

    Raises:
        SettingError: a setting is invalid.
    """
    check(config)
    rows: list[dict[str, Any]] = []
    skipped: dict[str, str] = {}
    for worlds in config.num_envs:
        contestants = gather(worlds, config, skipped)
        try:
            calls = {f"{i}": contestant.call for i, contestant in enumerate(contestants)}
            times = interleaved(calls, config.repeats, config.seconds)
        finally:
            for contestant in contestants:
                contestant.close()
        rates = [
            np.array([contestant.steps / seconds for seconds in times[f"{i}"]])
            for i, contestant in enumerate(contestants)
        ]
        rows += compare(worlds, contestants, rates)
    return {
        "machine": hardware.describe(tuple(PEERS)),
        "settings": {
            "num_envs": list(config.num_envs),
            "seconds": config.seconds,
            "repeats": config.repeats,
            "threads": config.threads or hardware.cores(),
            "seed": config.seed,
        },
        "rows": rows,
        "skipped": [{"name": name, "reason": reason} for name, reason in skipped.items()],
        "notes": list(NOTES),
        "training": training(config) if config.training else None,
    }


def gather(num_envs: int, config: ThroughputConfig, skipped: dict[str, str]) -> list[Contestant]:
    """Return all available contestants, didact's first; add reasons for others to `skipped`."""
    contestants = []
    devices = jax.devices()
    spreads = [()] + ([devices] if len(devices) > 1 and num_envs % len(devices) == 0 else [])
    for level in config.levels:
        try:
            contestants += [ours(level, num_envs, config.seed, spread) for spread in spreads]
        except Unavailable as reason:
            skipped[level] = str(reason)
    levels = list(dict.fromkeys(level.removesuffix(PACKED) for level in config.levels))
    for peer in config.peers:
        for level in levels:
            try:
                contestants += PEERS[peer](level, num_envs, config)
            except Unavailable as reason:
                skipped.setdefault(f"{peer}, {level}", str(reason))
    return contestants


def compare(
    group: int, contestants: Sequence[Contestant], rates: Sequence[np.ndarray]
) -> list[dict[str, Any]]:
    """Return the rows of one group, from the steps per second of each contestant and round."""
    best: dict[tuple[str, str], np.ndarray] = {}
    for contestant, rate in zip(contestants, rates, strict=True):
        what = contestant.level, contestant.package
        old = best.get(what)
        if contestant.package != "didact" and (old is None or np.median(rate) > np.median(old)):
            best[what] = rate
    rows = []
    for contestant, rate in zip(contestants, rates, strict=True):
        seconds = contestant.compile_seconds
        row = {
            "package": contestant.package,
            "name": contestant.name,
            "group": group,
            "num_envs": contestant.num_envs,
            "observation": contestant.observation,
            "steps_per_second": spread(rate.tolist()),
            "compile_seconds": None if seconds is None else round(seconds, 2),
        }
        if contestant.package == "didact":
            row["ratios"] = {
                peer: spread((rate / other).tolist())
                for (level, peer), other in best.items()
                if level == contestant.level
            }
        rows.append(row)
    return rows


def table(result: dict[str, Any]) -> Group:
    """Return the result of `throughput` as tables."""
    views = [_worlds_table(result)]
    if result["training"]:
        views.append(_training_table(result["training"]))
    return Group(*views)


def _training_table(result: dict[str, Any]) -> Table:
    settings, speed = result["settings"], result["steps_per_second"]
    view = Table(
        title=f"Training: {settings['env']} with {settings['teacher']}, "
        f"{settings['num_envs']} environments x {settings['rollout_length']} steps"
    )
    for name in ("steps/s", "compile s", *result["shares"]):
        view.add_column(name, justify="right")
    view.add_row(
        f"{speed['median']:,.0f} ({speed['min']:,.0f} - {speed['max']:,.0f})",
        f"{result['compile_seconds']:.1f}",
        *(f"{share:.1%}" for share in result["shares"].values()),
    )
    return view


def _worlds_table(result: dict[str, Any]) -> Table:
    peers = list(dict.fromkeys(r["package"] for r in result["rows"] if r["package"] != "didact"))
    machine = result["machine"]
    jax_version = machine["versions"]["jax"]
    devices = f"{machine['devices']} {machine['device_kind']} device(s)"
    lines = [f"{machine['cpu']}, {machine['cores']} cores, {devices}, jax {jax_version}"]
    reasons = dict.fromkeys(s["reason"] for s in result["skipped"])
    lines += [f"skipped: {reason}" for reason in reasons]
    view = Table(
        title="Steps per second, random actions",
        caption="\n".join([*lines, *result["notes"]]),
        caption_justify="left",
    )
    view.add_column("package")
    view.add_column("environment")
    view.add_column("observation")
    for name in ("num_envs", "steps/s", "compile s", *(f"x {peer}" for peer in peers)):
        view.add_column(name, justify="right", no_wrap=True)
    group = None
    for row in result["rows"]:
        if group is not None and row["group"] != group:
            view.add_section()
        group, speed, compiling = row["group"], row["steps_per_second"], row["compile_seconds"]
        ratios = row.get("ratios", {})
        view.add_row(
            row["package"],
            row["name"],
            row["observation"],
            f"{row['num_envs']:,}",
            f"{speed['median']:,.0f} ({speed['min']:,.0f} - {speed['max']:,.0f})",
            "-" if compiling is None else f"{compiling:.1f}",
            *(f"{ratios[peer]['median']:.3g}" if peer in ratios else "-" for peer in peers),
        )
    return view


BENCHMARK = Benchmark(ThroughputConfig, throughput, table)
