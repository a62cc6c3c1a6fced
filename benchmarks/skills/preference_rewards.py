"""Learn rewards from preferences between episodes, and train policies on them.

    python -m didact.benchmarks.skills.preference_rewards

A rule provides the preferences, from the same descriptions that a language model would read.

References:
    Klissarov et al., MaestroMotif, ICLR 2025 (arXiv:2412.08542), section 3.
"""

import dataclasses
import time
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import tyro
from rich.table import Table

from didact.benchmarks import hardware
from didact.common import display, strict_json
from didact.common.files import replacing, writable
from didact.environments import Environment, Wrapper, make, register
from didact.environments.registry import registered
from didact.experiments import train
from didact.experiments.evaluation.evaluate import evaluator
from didact.experiments.skills.preference_learning import learn_reward, record_labels
from didact.students import load_policy, random_actions
from didact.students.skills.preferences import Prefer, collect_preferences, describe_episode
from didact.students.skills.rewards import save_rewards

ENV = "MovingTargets"
# Points for each touched object, by wish.
WISHES: Mapping[str, Mapping[str, float]] = MappingProxyType(
    {
        "balls": {"ball": 1},
        "purple, not yellow": {"purple": 1, "yellow": -1},
        "blue balls above all, no boxes": {"ball": 1, "blue and ball": 2, "box": -1},
    }
)


@dataclasses.dataclass(frozen=True)
class PreferencesConfig:
    """Train policies on rewards learned from preferences between random episodes."""

    episodes: int = 500
    """number of random episodes to compare"""
    pairs: int = 1000
    """number of pairs of episodes to compare"""
    steps: int = 1_000_000
    """environment steps per policy"""
    num_envs: int = 256
    """number of parallel environments"""
    tests: int = 500
    """episodes to test each policy"""
    seed: int = 0
    """random seed"""
    out: str = "runs/preferences"
    """folder for the rewards, the policies, and the results as JSON"""
    json: bool = False
    """print the result as JSON"""


def worth(labels: Any, propositions: tuple[str, ...], wish: Mapping[str, float]) -> Any:
    """Return the points of labels [..., p] under a wish."""
    total = 0.0
    for names, points in wish.items():
        columns = [propositions.index(name) for name in names.split(" and ")]
        total = total + points * labels[..., columns].all(-1)
    return total


def rule(wish: Mapping[str, float]) -> Prefer:
    """Return a rule that prefers the description with more points under a wish."""

    def count(text: str) -> float:
        events = [
            set(event.split(" and ")) for event in text.split(": ")[1].rstrip(".").split("; ")
        ]
        return sum(
            points * sum(set(names.split(" and ")) <= event for event in events)
            for names, points in wish.items()
        )

    def prefer(first: str, second: str) -> float:
        one, other = count(first), count(second)
        return 0.5 if one == other else float(one > other)

    return prefer


class Wished(Wrapper[Any]):
    """Rewards the points of a wish; used for tests and for the students with exact rewards."""

    def __init__(self, environment: Environment, wish: str):
        super().__init__(environment)
        self.wish = WISHES[wish]

    def reset(self, key, tasks):
        return self.environment.reset(key, tasks)

    def step(self, key, state, actions):
        state, seen = self.environment.step(key, state, actions)
        reward = worth(seen.labels, self.propositions, self.wish)
        return state, seen._replace(reward=jnp.asarray(reward, jnp.float32))


def tested(policy: Any, wish: str, episodes: int, seed: int) -> np.ndarray:
    """Return the points that a policy (random actions if None) collects in each episode."""
    world = Wished(make(ENV), wish)
    student, state = random_actions(world.action_space), ()
    if policy is not None:
        student, state = policy.student, policy.state
    task_key, key = jax.random.split(jax.random.key(seed))
    tasks = world.task_space.sample(task_key, episodes)
    return np.asarray(jax.jit(evaluator(world, student))(state, key, tasks).returns)


def compare(config: PreferencesConfig) -> dict[str, Any]:
    """For each wish, learn rewards, train policies on these and on the exact rewards, and test.

    Returns:
        `machine`, `settings` and `wishes`: for each wish `right`, the fraction of new pairs that
        the learned rewards order correctly; `random`, `preferences` and `exact`, the mean points
        per episode; and `seconds`.
    """
    folder = writable("--out", config.out)
    world = make(ENV)
    rows = {}
    for number, (wish, counts) in enumerate(WISHES.items()):
        begun = time.perf_counter()
        model = learn_reward(
            world, rule(counts), episodes=config.episodes, pairs=config.pairs, seed=config.seed
        )
        file = save_rewards(model, world.propositions, folder / f"wish-{number}.json")
        new = record_labels(world, config.episodes, seed=config.seed + 1)
        texts = [describe_episode(row, world.propositions, longest=world.max_steps) for row in new]
        known = collect_preferences(texts, rule(counts), config.pairs, seed=config.seed + 1)
        sums = np.asarray(model(jnp.asarray(new)).sum(1))
        clear = known.first != 0.5
        first = sums[known.pairs[:, 0]] > sums[known.pairs[:, 1]]
        row = {"right": round(float(np.mean((first == (known.first == 1))[clear])), 4)}
        row["random"] = _mean(tested(None, wish, config.tests, config.seed + 2))
        exact = f"{ENV}-exact-{number}"
        if exact not in {entry.name for entry in registered()}:
            register(exact, lambda wish=wish: Wished(make(ENV), wish), f"pays {wish}")
        for name, where, settings in (
            ("preferences", ENV, (f"rewards={file}",)),
            ("exact", exact, ()),
        ):
            run = folder / f"wish-{number}-{name}"
            train(
                env=where, env_settings=settings, teacher="uniform", steps=config.steps,
                num_envs=config.num_envs, seed=config.seed, run=str(run),
            )  # fmt: skip
            policy = load_policy(run)
            row[name] = _mean(tested(policy, wish, config.tests, config.seed + 2))
        rows[wish] = row | {"seconds": round(time.perf_counter() - begun, 1)}
    result = {"machine": hardware.describe(), "settings": vars(config), "wishes": rows}
    with replacing(folder / "preferences.json") as draft:
        draft.write_text(strict_json.dumps(result, indent=1))
    return result


def _mean(collected: np.ndarray) -> float:
    return round(float(np.mean(collected)), 2)


def table(result: dict[str, Any]) -> Table:
    """Return a table with a row for each wish."""
    settings = result["settings"]
    shown = Table(
        title=f"{ENV}: rewards from {settings['pairs']} comparisons of {settings['episodes']} "
        f"random episodes; {settings['steps']:,} training steps",
        title_style="bold",
        caption="right: new pairs that the learned rewards order correctly; other columns: mean "
        "points per episode under the wish",
    )
    shown.add_column("wish")
    for title in ("right", "random", "from preferences", "exact rewards"):
        shown.add_column(title, justify="right")
    for wish, row in result["wishes"].items():
        cells = (f"{row[name]:.1f}" for name in ("random", "preferences", "exact"))
        shown.add_row(wish, f"{row['right']:.1%}", *cells)
    return shown


def main() -> None:
    """Run the command line."""
    config = tyro.cli(PreferencesConfig, description=PreferencesConfig.__doc__)
    result = compare(config)
    if config.json:
        print(strict_json.dumps(result, indent=1))
    else:
        display.console().print(table(result))


if __name__ == "__main__":
    main()
