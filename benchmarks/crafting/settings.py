"""Settings of the benchmarks of the crafting world. This module does not import JAX."""

import dataclasses
from pathlib import Path
from typing import Annotated

from didact.common.setting_types import NotNegative, Range, Seed
from didact.experiments.config import Count, LLMConfig, Steps
from didact.students.config import NetworkConfig, PPOConfig

PPO = PPOConfig(
    learning_rate=7e-4,
    final_learning_rate=1e-4,
    num_epochs=4,
    num_minibatches=8,
    discount=0.95,
    gae_lambda=0.65,
    entropy_coefficient=0.01,
    final_entropy_coefficient=0.005,
    network=NetworkConfig(hidden=256, memory=256),
)
FAR_SIGHTED = dataclasses.replace(PPO, discount=0.99, gae_lambda=0.95)


@dataclasses.dataclass(frozen=True)
class CrafterConfig:
    """Compare the crafting world with the original package, `crafter`."""

    episodes: Count = 5000
    """episodes of the uniform policy, compared with published rates; about 170 steps each"""
    maps: Annotated[int, Range(0, 10**6)] = 100
    """maps of the original to compare with; each takes it about a second"""
    num_envs: tuple[Count, ...] = (256, 1024)
    """numbers of parallel worlds whose speed is measured"""
    craftax: bool = True
    """whether Craftax-Classic is measured too, if it is installed; it compiles for minutes"""
    seconds: NotNegative = 20.0
    """CPU time per row, over all repeats; 0 omits the speed"""
    repeats: Annotated[int, Range(1, 1000)] = 4
    """number of repeats; the repeats of all rows are interleaved"""
    seed: Seed = 0
    """random seed"""


@dataclasses.dataclass(frozen=True)
class CrafterTrainingConfig:
    """Train PPO with a memory in the original game of Crafter, by its protocol: 1 M steps, and the
    score of all training episodes."""

    steps: Steps = 1_000_000
    """environment steps per seed"""
    seed: Seed = 0
    """first seed"""
    seeds: Annotated[int, Range(1, 1000)] = 5
    """number of seeds, one after the other"""
    out: Path = Path("runs/crafter")
    """folder of the runs; finished ones are not trained again"""
    experts: tuple[str, ...] = ()
    """experts that kickstart PPO: `solver` for the planner, or policies"""
    num_envs: Count = 32
    """number of parallel worlds"""
    rollout_length: Count = 128
    """steps per world and update"""
    ppo: PPOConfig = PPO
    """settings of PPO"""
    test_episodes: Annotated[int, Range(0, 10**6)] = 1000
    """episodes of the trained policies here; 0 omits them"""
    official_episodes: Annotated[int, Range(0, 10**6)] = 0
    """their episodes in the original package, a second or more each; 0 omits them"""


@dataclasses.dataclass(frozen=True)
class CrafterExpertConfig:
    """Measure the planner of the crafting world, the expert that sees the whole state."""

    episodes: Count = 256
    """episodes of the original game, played in parallel"""
    steps: Annotated[int, Range(1, 10**6)] = 1000
    """steps of each episode, unless the player dies earlier"""
    attempts: Annotated[int, Range(0, 65_536)] = 16
    """episodes of each evaluation task of `CrafterInstructions`; 0 omits them"""
    seed: Seed = 0
    """random seed"""


@dataclasses.dataclass(frozen=True)
class CrafterFormulasConfig:
    """Compare goal skills that a formula composes with PPO trained on the same sequence."""

    sequences: tuple[str, ...] = (
        "collect_wood,place_table,make_wood_pickaxe",
        "collect_sapling,place_plant,collect_drink",
    )
    """sequences of up to three achievements, separated by commas"""
    goals: tuple[str, ...] = (
        *("collect_wood", "place_table", "make_wood_pickaxe"),
        *("collect_sapling", "place_plant", "collect_drink"),
    )
    """achievements that the goal skills are trained for, in equal shares"""
    steps: Steps = 500_000
    """environment steps of each training: one for the goal skills, one for each sequence"""
    max_steps: Annotated[int, Range(1, 10_000)] = 500
    """step limit of an episode"""
    seeds: Annotated[int, Range(1, 1000)] = 3
    """number of seeds, one after the other"""
    seed: Seed = 0
    """first seed"""
    test_episodes: Annotated[int, Range(2, 65_536)] = 256
    """episodes of each evaluation"""
    out: str = "runs/crafter_formulas"
    """folder of the results; finished trainings are not repeated"""
    num_envs: Count = 32
    """number of parallel worlds"""
    rollout_length: Count = 128
    """steps per world and update"""
    ppo: PPOConfig = FAR_SIGHTED
    """settings of PPO"""


@dataclasses.dataclass(frozen=True)
class EnvGenConfig:
    """Train PPO in worlds that a language model or a teacher shapes, in turns with the original.

    In each cycle, worlds are chosen, the student trains in them and then in the original game, and
    each achievement is measured there, with its standard error, and reported to the proposer. All
    conditions are trained for the same number of steps; the evaluations that proposers read are not
    counted (Zala et al., EnvGen, COLM 2024, where another million steps in the original follow).
    """

    conditions: tuple[str, ...] = (
        *("pool:scripted", "alp_gmm", "learnability", "plr", "uniform", "original"),
    )
    """where worlds come from: a proposer as in `pool:language-model` or `pool:scripted`, a teacher,
    or `original` for the original game alone, which is the baseline"""
    steps: Steps = 1_000_000
    """environment steps of training per seed, half of them in the original game"""
    cycles: Annotated[int, Range(1, 10_000)] = 4
    """number of cycles"""
    worlds: Annotated[int, Range(1, 1024)] = 4
    """number of worlds that a proposer is asked for in each cycle"""
    seeds: Annotated[int, Range(2, 1000)] = 3
    """number of seeds, one after the other"""
    seed: Seed = 0
    """first seed"""
    test_episodes: Annotated[int, Range(2, 65_536)] = 256
    """episodes in the original game after each cycle"""
    out: str = "runs/envgen"
    """folder of the results; finished seeds are not trained again"""
    num_envs: Count = 32
    """number of parallel worlds"""
    rollout_length: Count = 128
    """steps per world and update"""
    ppo: PPOConfig = PPO
    """settings of PPO"""
    llm: LLMConfig = dataclasses.field(default_factory=LLMConfig)
    """settings of the language model of `pool:language-model`"""
