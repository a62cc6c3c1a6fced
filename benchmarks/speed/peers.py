"""Grid environments of other packages, each as a `Contestant` that plays random actions.

Every package is called in its fastest way; for those that run on the host, actions are sampled
before timing. All start a new level at the end of each episode.
"""

import contextlib
import dataclasses
import importlib
import io
import itertools
from collections.abc import Callable
from types import ModuleType

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int, PRNGKeyArray

from didact.benchmarks.config import ThroughputConfig
from didact.benchmarks.hardware import cores
from didact.benchmarks.speed.timing import Loop


class Unavailable(Exception):
    """Raised for a contestant that cannot be measured; the message is a one-line reason."""


@dataclasses.dataclass(frozen=True)
class Contestant:
    """A configuration whose steps per second are measured.

    Attributes:
        package: `didact`, or the name of the other package.
        level: didact's name of the level.
        name: short description of the configuration.
        num_envs: number of parallel environments.
        observation: short description of the observation.
        steps: environment steps per call, summed over all environments.
        call: takes these steps and waits for them.
        compile_seconds: compile time; None if nothing is compiled.
        close: releases resources.
    """

    package: str
    level: str
    name: str
    num_envs: int
    observation: str
    steps: int
    call: Callable[[], object]
    compile_seconds: float | None = None
    close: Callable[[], object] = lambda: None


def random_actions(
    key: PRNGKeyArray, steps: int, num_envs: int, actions: int
) -> Int[Array, "steps worlds"]:
    """Sample near-uniform actions for a whole scan at once (relative error `actions` / 2^16)."""
    bits = jax.random.bits(key, (steps, num_envs), jnp.uint16).astype(jnp.uint32)
    return ((bits * actions) >> 16).astype(jnp.int32)


def scan_length(num_envs: int) -> int:
    """Return the steps per scan: about 131,000 in total, so that dispatch time is negligible."""
    return max(16, 2**17 // num_envs)


def load(package: str) -> ModuleType:
    """Import a package.

    Raises:
        Unavailable: the package is not installed, or its import fails.
    """
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name == package:
            raise Unavailable(
                f"{package} is not installed: pip install -e '.[benchmark]'"
            ) from None
        raise Unavailable(f"{package} needs {error.name}, which is not installed") from None
    except Exception as error:  # incompatible versions can raise any error
        reason = str(error).partition("\n")[0]
        raise Unavailable(
            f"{package} cannot be imported: {type(error).__name__}: {reason}"
        ) from None


def envpool(level: str, num_envs: int, config: ThroughputConfig) -> list[Contestant]:
    """Return envpool on the same level, synchronously and asynchronously in two halves."""
    package = load("envpool")
    if level not in package.list_all_envs():
        raise Unavailable(f"envpool has no {level}")
    threads = config.threads or cores()
    generator = np.random.default_rng(config.seed)
    contestants = []
    for mode, batch in (("sync", num_envs), ("async", num_envs // 2)):
        if batch == 0:
            continue
        pool = package.make(
            level,
            env_type="gymnasium",
            num_envs=num_envs,
            batch_size=batch,
            num_threads=threads,
            seed=config.seed,
        )
        drawn = generator.integers(0, pool.action_space.n, (64, batch), np.int32)
        actions = itertools.cycle(drawn)
        calls = max(1, scan_length(num_envs) * num_envs // batch // 16)

        def play_all(pool=pool, actions=actions, calls=calls):
            for _ in range(calls):
                pool.step(next(actions))

        def play_halves(pool=pool, actions=actions, calls=calls):
            for _ in range(calls):
                *_, info = pool.recv()
                pool.send(next(actions), info["env_id"])

        if mode == "sync":
            pool.reset()
        else:
            pool.async_reset()
        contestants.append(
            Contestant(
                package="envpool",
                level=level,
                name=f"{level}, {mode}, {threads} threads",
                num_envs=num_envs,
                observation="image 7x7x3, direction, mission",
                steps=calls * batch,
                call=play_all if mode == "sync" else play_halves,
                close=pool.close,
            )
        )
    return contestants


def xminigrid(level: str, num_envs: int, config: ThroughputConfig) -> list[Contestant]:
    """Return XLand-MiniGrid on the same level: vmapped, with its auto-reset, in a jitted scan."""
    package = load("xminigrid")
    theirs = level.removesuffix("-v0")
    if theirs not in package.registered_environments():
        raise Unavailable(f"xminigrid has no {level}")
    environment, parameters = package.make(theirs)
    environment = load("xminigrid.wrappers").GymAutoResetWrapper(environment)
    steps = scan_length(num_envs)

    def play(carry):
        key, timesteps, total = carry
        key, actions_key = jax.random.split(key)

        def step(carry, actions):
            timesteps, total = carry
            timesteps = jax.vmap(environment.step, (None, 0, 0))(parameters, timesteps, actions)
            return (timesteps, total + jnp.sum(timesteps.reward)), None

        drawn = random_actions(actions_key, steps, num_envs, environment.num_actions(parameters))
        (timesteps, total), _ = jax.lax.scan(step, (timesteps, total), drawn)
        return key, timesteps, total

    key, reset_key = jax.random.split(jax.random.key(config.seed))
    # The package stores and splits the keys itself, and expects raw ones.
    reset_keys = jax.random.key_data(jax.random.split(reset_key, num_envs))
    timesteps = jax.jit(jax.vmap(environment.reset, (None, 0)))(parameters, reset_keys)
    loop = Loop(play, (key, timesteps, jnp.zeros(())))
    shape = "x".join(map(str, timesteps.observation.shape[1:]))
    return [
        Contestant(
            package="xminigrid",
            level=level,
            name=theirs,
            num_envs=num_envs,
            observation=f"image {shape}",
            steps=steps * num_envs,
            call=loop,
            compile_seconds=loop.compile_seconds,
        )
    ]


def minigrid(level: str, num_envs: int, config: ThroughputConfig) -> list[Contestant]:
    """Return MiniGrid with a single environment in one process, regardless of `num_envs`."""
    load("minigrid")
    gymnasium = load("gymnasium")
    if level not in gymnasium.registry:
        raise Unavailable(f"minigrid has no {level}")
    world = gymnasium.make(level, disable_env_checker=True)
    generator = np.random.default_rng(config.seed)
    actions = itertools.cycle(generator.integers(0, int(world.action_space.n), 1024).tolist())
    steps = 256

    def play():
        with contextlib.redirect_stdout(io.StringIO()):  # it prints each rejected level
            for _ in range(steps):
                _, _, terminated, truncated, _ = world.step(next(actions))
                if terminated or truncated:
                    world.reset()

    with contextlib.redirect_stdout(io.StringIO()):
        world.reset(seed=config.seed)
    return [
        Contestant(
            package="minigrid",
            level=level,
            name=f"{level}, one process",
            num_envs=1,
            observation="image 7x7x3, direction, mission",
            steps=steps,
            call=play,
            close=world.close,
        )
    ]


PEERS: dict[str, Callable[[str, int, ThroughputConfig], list[Contestant]]] = {
    "envpool": envpool,
    "xminigrid": xminigrid,
    "minigrid": minigrid,
}
