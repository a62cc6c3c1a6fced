"""Play policies in the official environments of other packages: minigrid, envpool, gymnasium."""

from typing import Any

import jax
import numpy as np

from didact.environments import SettingError
from didact.environments.adapters import OfficialEnvpool, OfficialGymnasium, OfficialMinigrid
from didact.experiments.evaluation.achievements import achieved_now
from didact.experiments.evaluation.evaluate import Results
from didact.students import Policy

ENGINES = ("didact", "minigrid", "envpool", "gymnasium")


def play_official(
    policy: Policy,
    name: str,
    *,
    episodes: int,
    seed: int = 0,
    greedy: bool = False,
    num_envs: int = 32,
    engine: str = "minigrid",
) -> Results:
    """Play whole episodes of a policy in an environment of another package.

    In minigrid and gymnasium, episode i is seeded with `seed` + i; in envpool, the levels are
    determined by `seed` and `num_envs`. The same call therefore plays the same levels. In minigrid
    and envpool, an episode is successful if it terminates with a positive reward; in gymnasium,
    success is undefined and reported as NaN.

    Args:
        policy: policy to play.
        name: environment id in the package.
        episodes: number of episodes, each on its own level.
        seed: seed of the first level and of the actions.
        greedy: take the most probable actions instead of sampling.
        num_envs: number of parallel environments.
        engine: "minigrid", "envpool" or "gymnasium". The last works with any environment whose
            spaces match, or which is the counterpart of the policy's training environment.

    Raises:
        SettingError: the engine or the id is unknown, or the policy needs other observations.
    """
    n = min(num_envs, episodes)
    worlds = _worlds(policy, name, n, seed, engine)
    key = jax.random.key(seed)
    results = np.zeros((3, episodes))
    achieved: dict[str, Any] = {}
    episode = np.arange(n)  # the episode of each environment
    following = n
    everyone = list(range(n))
    observation = worlds.reset(everyone, (seed + episode).tolist())
    carry, fresh = policy.initial_carry(n), np.zeros(n, bool)
    while (episode < episodes).any():
        key, act_key = jax.random.split(key)
        action, carry = policy.act(observation, carry, None if greedy else act_key, start=fresh)
        playing = np.flatnonzero(episode < episodes)
        seen, reward, terminated, truncated = worlds.step(
            playing.tolist(), np.asarray(action)[playing].tolist()
        )
        for column, world in enumerate(playing):
            won = terminated[column] and reward[column] > 0 if engine != "gymnasium" else np.nan
            results[:, episode[world]] += (won, reward[column], 1)
        labels = getattr(worlds, "labels", None)
        if labels is not None:
            for title, held in achieved_now(worlds.environment, labels).items():
                total = achieved.setdefault(title, np.zeros(episodes))
                total[episode[playing]] = np.maximum(total[episode[playing]], held)
        for name_, array in seen.items():
            observation[name_][playing] = array
        over = playing[terminated | truncated]
        fresh = np.isin(np.arange(n), over)
        if over.size:
            episode[over] = following + np.arange(over.size)
            following += over.size
            again = over[episode[over] < episodes]
            if again.size:
                first = worlds.reset(again.tolist(), (seed + episode[again]).tolist())
                for name_, array in first.items():
                    observation[name_][again] = array
    worlds.close()
    success, returns, lengths = results
    return Results(success, returns, lengths, achieved)


def _worlds(policy: Policy, name: str, n: int, seed: int, engine: str) -> Any:
    """Make n official environments that produce the policy's observations.

    Raises:
        SettingError: the engine or the id is unknown, or the policy needs other observations.
    """
    if engine == "gymnasium":
        return OfficialGymnasium(name, n, policy.make_environment(), seed)
    kinds = {"minigrid": OfficialMinigrid, "envpool": OfficialEnvpool}
    if engine not in kinds:
        raise SettingError("--engine", engine, "one of " + ", ".join([*kinds, "gymnasium"]))
    instruction = policy.observation_space.get("instruction")
    read = {"image", "direction", "instruction"}
    if instruction is None or set(policy.observation_space) != read:
        allowed = f"a policy for {engine}, which reads image, direction and instruction"
        raise SettingError("policy", policy.environment, allowed)
    return kinds[engine](name, n, instruction.shape[0], seed)
