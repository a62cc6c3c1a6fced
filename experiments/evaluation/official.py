"""Plays a policy in another engine, where nothing of ours takes part: minigrid or envpool."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from didact.environments import SettingError
from didact.environments.adapters import EnvpoolWorlds, OfficialWorlds
from didact.experiments.evaluation.evaluate import Results
from didact.students import Policy

ENGINES = ("didact", "minigrid", "envpool")


def play_official(
    policy: Policy,
    name: str,
    *,
    episodes: int,
    seed: int = 0,
    greedy: bool = False,
    num_worlds: int = 32,
    engine: str = "minigrid",
) -> Results:
    """Whole episodes of a policy in an environment of the `minigrid` or the `envpool` package.

    In minigrid, episode i is the level that the package makes from the seed `seed` + i; in
    envpool, the levels follow from `seed` and `num_worlds`. So the same call meets the same
    levels. Success is what the package rewards.

    Args:
        policy: who acts.
        name: the package's id.
        episodes: how many levels.
        seed: of the first level, and of the actions.
        greedy: take the most probable actions instead of sampling.
        num_worlds: how many are played side by side.
        engine: "minigrid" or "envpool".

    Raises:
        SettingError: the engine or the id is unknown, or the policy reads other observations.
    """
    instruction = policy.observation_space.get("instruction")
    if instruction is None or set(policy.observation_space) != {
        "image",
        "direction",
        "instruction",
    }:
        raise SettingError(
            "policy", policy.environment, "one that reads image, direction and instruction"
        )
    n = min(num_worlds, episodes)
    kinds = {"minigrid": OfficialWorlds, "envpool": EnvpoolWorlds}
    if engine not in kinds:
        raise SettingError("--engine", engine, "one of " + ", ".join(kinds))
    worlds = kinds[engine](name, n, instruction.shape[0], seed)
    key = jax.random.key(seed)
    results = np.zeros((3, episodes))
    episode = np.arange(n)  # which each world plays
    following = n
    everyone = list(range(n))
    observation = worlds.reset(everyone, (seed + episode).tolist())
    carry = policy.initial_carry(n)
    while (episode < episodes).any():
        key, act_key = jax.random.split(key)
        action, carry = policy.act(observation, carry, None if greedy else act_key)
        playing = np.flatnonzero(episode < episodes)
        seen, reward, terminated, truncated = worlds.step(
            playing.tolist(), np.asarray(action)[playing].tolist()
        )
        for column, world in enumerate(playing):
            won = terminated[column] and reward[column] > 0
            results[:, episode[world]] += (won, reward[column], 1)
        for name_, array in seen.items():
            observation[name_][playing] = array
        over = playing[terminated | truncated]
        if over.size:
            episode[over] = following + np.arange(over.size)
            following += over.size
            again = over[episode[over] < episodes]
            if again.size:
                first = worlds.reset(again.tolist(), (seed + episode[again]).tolist())
                for name_, array in first.items():
                    observation[name_][again] = array
            fresh = np.isin(np.arange(n), over)
            carry = jax.tree.map(partial(_cleared, fresh), carry)
    worlds.close()
    return Results(*results)


def _cleared(worlds, carry):
    """The carry with the memory of some worlds as at an episode's start."""
    return jnp.where(worlds.reshape(-1, *[1] * (carry.ndim - 1)), 0, carry)
