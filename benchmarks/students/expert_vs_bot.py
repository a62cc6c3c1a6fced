"""Compare the privileged expert with BabyAI's bot, on levels of the official package.

References:
    Chevalier-Boisvert et al., BabyAI: a platform to study the sample efficiency of grounded
    language learning, ICLR 2019, section 3.3 (the bot).
"""

import collections
import contextlib
import functools
import importlib
import io
import itertools
import time
from typing import Any

import jax
import numpy as np
from rich.table import Table

from didact.benchmarks import hardware
from didact.benchmarks.config import ExpertsConfig
from didact.benchmarks.registry import Benchmark
from didact.environments import SettingError
from didact.environments.grid import minigrid_import
from didact.environments.grid.solver import planner
from didact.environments.registry import suggest
from didact.experiments.config import option

MAX_MISSION_LENGTH = 80
SIZES = (9, 13, 16, 22, 32)  # maps are padded to the next of these sizes, to share programs
# Levels on which the bot does not terminate, or that it does not support.
BEYOND_THE_BOT = ("UnlockToUnlock", "KeyInBox", "Carrying", "MiniGrid-")


def compare(config: ExpertsConfig) -> dict[str, Any]:
    """Play the levels of each id with the expert and, where supported, with the bot.

    Returns:
        `machine`, `settings`, `levels`: for each id `success` and `length` (mean steps of
        successful episodes) of the expert, `bot_success`, and `both`: the mean steps of the expert
        and of the bot on the levels that both solved (None where the bot does not play); `seconds`
        of the expert's episodes, and `compile_seconds`.

    Raises:
        SettingError: a setting is invalid, or `minigrid` is not installed.
    """
    if config.episodes < 1:
        raise SettingError(option("episodes"), config.episodes, "at least 1")
    names = _names(config.levels)
    played: dict[str, Any] = {}
    scores: dict[str, Any] = {}
    seconds = compile_seconds = 0.0
    for group in _alike(names, config).values():
        # All levels of a group share one map size, so that one program plays them all.
        levels = [level for rows in group.values() for level in rows]
        world = minigrid_import.world_of(levels, MAX_MISSION_LENGTH)
        state = minigrid_import.from_minigrid(levels, MAX_MISSION_LENGTH)
        solve: Any = jax.jit(functools.partial(planner.solve, world))
        key = jax.random.key(config.seed) if world.family.random_steps else None
        for i, name in enumerate(group):
            part = slice(i * config.episodes, (i + 1) * config.episodes)
            rows = jax.tree.map(lambda x, part=part: x[part], state)
            begun = time.perf_counter()
            if i == 0:
                solve = solve.lower(rows, None, key).compile()
                compile_seconds += time.perf_counter() - begun
                begun = time.perf_counter()
            played[name] = [np.asarray(x) for x in solve(rows, None, key)]
            seconds += time.perf_counter() - begun
        for name, rows in group.items():
            beyond = any(part in name for part in BEYOND_THE_BOT)
            steps = np.array([bot_steps(e) if config.bot and not beyond else 0 for e in rows])
            success, taken = played[name]
            scores[name] = _row(success, taken, None if beyond or not config.bot else steps)
    return {
        "machine": hardware.describe(("minigrid",)),
        "settings": {"episodes": config.episodes, "seed": config.seed},
        "levels": {name: scores[name] for name in names},
        "seconds": round(seconds, 1),
        "compile_seconds": round(compile_seconds, 1),
    }


def bot_steps(level: Any) -> int:
    """Return the steps that BabyAI's bot takes to solve an official level; 0 if it fails.

    Args:
        level: official environment, just reset.
    """
    bot = importlib.import_module("minigrid.utils.baby_ai_bot").BabyAIBot(level)
    for step in itertools.count(1):
        try:
            action = int(bot.replan())
        except Exception:  # the bot raises various errors on levels that it cannot solve
            return 0
        _, reward, terminated, truncated, _ = level.step(action)
        if terminated or truncated:
            return step if terminated and reward > 0 else 0
    return 0


def _names(names: tuple[str, ...]) -> tuple[str, ...]:
    """Return the ids to play, and check that they exist."""
    try:
        gymnasium = importlib.import_module("gymnasium")
        importlib.import_module("minigrid")
    except ImportError:
        raise SettingError("experts", "minigrid", "installed: pip install minigrid") from None
    known = [n for n in gymnasium.registry if n.startswith(("BabyAI-", "MiniGrid-"))]
    for name in names:
        if name not in known:
            raise suggest(option("levels"), name, known)
    return names or tuple(sorted(n for n in known if n.startswith("BabyAI-")))


def _alike(
    names: tuple[str, ...], config: ExpertsConfig
) -> dict[tuple[Any, ...], dict[str, list[Any]]]:
    """Return official levels after their reset, grouped by shared program and then by id."""
    make = importlib.import_module("gymnasium").make
    groups = collections.defaultdict(dict)
    for name in names:
        levels = []
        for seed in range(config.seed, config.seed + config.episodes):
            level = make(name, disable_env_checker=True).unwrapped
            with contextlib.redirect_stdout(io.StringIO()):  # it prints rejected levels
                level.reset(seed=seed)
            levels.append(level)
        e = levels[0]
        own = name if name.startswith("MiniGrid-") else ""
        size = next(size for size in SIZES if max(e.width, e.height) <= size)
        groups[size, e.see_through_walls, own][name] = levels
    return groups


def _row(success: np.ndarray, steps: np.ndarray, bot: np.ndarray | None) -> dict[str, Any]:
    def mean(values):
        return float(values.mean()) if len(values) else None

    row = {"success": mean(success), "length": mean(steps[success])}
    if bot is None:
        return row | {"bot_success": None, "both": None}
    both = success & (bot > 0)
    lengths = [mean(steps[both]), mean(bot[both])] if both.any() else None
    return row | {"bot_success": mean(bot > 0), "both": lengths}


def table(result: dict[str, Any]) -> Table:
    """Return a table with a row for each id."""
    settings = result["settings"]
    made = Table(
        title=f"{settings['episodes']} official levels per id, from seed {settings['seed']}",
        title_style="bold",
        caption="both: mean steps of the expert and of the bot where both succeed",
    )
    for name in ("level", "success", "steps", "bot's success", "both: expert", "both: bot"):
        made.add_column(name, justify="left" if name == "level" else "right")
    for name, row in result["levels"].items():
        length, bot = row["length"], row["bot_success"]
        both = row["both"] or (None, None)
        made.add_row(
            name.removesuffix("-v0"),
            f"{row['success']:.1%}",
            "" if length is None else f"{length:.1f}",
            "" if bot is None else f"{bot:.1%}",
            *("" if steps is None else f"{steps:.1f}" for steps in both),
        )
    compared = [row["both"] for row in result["levels"].values() if row["both"]]
    if compared:
        made.add_section()
        shorter = sum(own <= bot for own, bot in compared)
        made.add_row(f"no longer than the bot: {shorter} of {len(compared)}")
    return made


BENCHMARK = Benchmark(ExpertsConfig, compare, table)
