"""Compare teachers on the toy grid: `python -m didact.benchmarks.curricula.toy_teachers`.

The whole experiment is one compiled program, vmapped over seeds.
"""

import argparse
import json
import time

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from didact import teachers
from didact.environments import SettingError
from didact.environments.toys import toy_grid
from didact.teachers import Outcomes, Teacher, propose

# Percentage of mastered cells after 20,000 episodes in 2-D with 10 x 10 cells (mean, standard
# deviation), measured with the authors' implementations on 8 seeds, without and with 5 useless
# dimensions.
PUBLISHED = {
    ("uniform", 0): (5.0, 0.8),
    ("uniform", 5): (4.0, 0.4),
    ("alp_gmm", 0): (37.0, 2.1),
    ("alp_gmm", 5): (51.0, 1.9),
}
# The settings behind these figures; the paper keeps every episode in the history.
PAPER = {
    "alp_gmm": {
        "fit_rate": 250,
        "k_min": 2,
        "k_max": 10,
        "random_fraction": 0.2,
        "history": 20_000,
        "iterations": 100,
    },
}


def run(
    teacher: Teacher,
    key: PRNGKeyArray,
    *,
    episodes: int = 20_000,
    every: int = 2_000,
    dimensions: int = 2,
    side: int = 10,
) -> Float[Array, " s"]:
    """Return the score of one learner after every `every` episodes.

    To run several seeds, `vmap` the whole function: the episode count is then the same for all
    seeds, and teachers only run a fit when it is needed.
    """
    if every < 1 or episodes % every:
        raise SettingError("every", every, f"a divisor of episodes, {episodes}")
    init_key, key = jax.random.split(key)
    one = jnp.ones(1)

    def episode(carry, key):
        state, competence = carry
        proposals, state = propose(teacher, state, key, 1)
        competence, reward = toy_grid.visit(competence, proposals.tasks[0])
        success = (reward > 0).astype(jnp.float32)
        outcomes = Outcomes(one * reward, one * success, one, one, {})
        state = teacher.observe(state, proposals, outcomes)
        return (state, competence), None

    def stretch(carry, keys):
        carry, _ = jax.lax.scan(episode, carry, keys)
        return carry, toy_grid.score(carry[1])

    start = (teacher.init(init_key), toy_grid.initial_competence(dimensions, side))
    _, scores = jax.lax.scan(stretch, start, jax.random.split(key, (episodes // every, every)))
    return scores


def measure(
    name: str,
    *,
    seeds: int = 8,
    episodes: int = 20_000,
    every: int = 2_000,
    useless: int = 0,
    paper: bool = True,
) -> dict:
    """Measure the scores and the run time of a registered teacher.

    Args:
        name: name of the teacher.
        seeds: number of learners.
        episodes, every: as for `run`.
        useless: number of task dimensions without effect.
        paper: use the settings of the paper instead of the teacher's defaults.
    """
    settings = PAPER.get(name, {}) if paper else {}
    teacher = teachers.make(name, toy_grid.task_space(2, useless), **settings)
    keys = jax.random.split(jax.random.key(0), seeds)
    program = jax.jit(jax.vmap(lambda key: run(teacher, key, episodes=episodes, every=every)))
    start = time.perf_counter()
    compiled = program.lower(keys).compile()
    ready = time.perf_counter()
    scores = np.asarray(compiled(keys))
    return {
        "teacher": name,
        "useless": useless,
        "seeds": seeds,
        "episodes": list(range(every, episodes + 1, every)),
        "scores": scores.tolist(),
        "mean": float(scores[:, -1].mean()),
        "sd": float(scores[:, -1].std(ddof=1)) if seeds > 1 else 0.0,
        "published": PUBLISHED.get((name, useless)) if paper and episodes == 20_000 else None,
        "compile_seconds": ready - start,
        "seconds": time.perf_counter() - ready,
    }


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m didact.benchmarks.curricula.toy_teachers", description=__doc__
    )
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--episodes", type=int, default=20_000)
    parser.add_argument("--every", type=int, default=2_000)
    parser.add_argument(
        "--useless", type=int, default=0, help="number of task dimensions without effect"
    )
    parser.add_argument("--json", metavar="PATH", help="write the results to this file")
    parser.add_argument(
        "--defaults", action="store_true", help="use the teachers' defaults, not the papers'"
    )
    options = parser.parse_args(arguments)
    rows = []
    for entry in teachers.registered():
        try:
            row = measure(
                entry.name,
                seeds=options.seeds,
                episodes=options.episodes,
                every=options.every,
                useless=options.useless,
                paper=not options.defaults,
            )
        except SettingError as error:
            if error.setting != "space":  # a teacher of other task spaces
                raise
            continue
        rows.append(row)
        curve = " ".join(f"{score:3.0f}" for score in np.mean(row["scores"], axis=0))
        paper = "{:g} ({:g})".format(*row["published"]) if row["published"] else "-"
        print(
            f"{row['teacher']:10} {row['mean']:5.1f} ({row['sd']:.1f})  published {paper:9} "
            f"curve {curve}  {row['seconds']:.1f} s + compile {row['compile_seconds']:.1f} s"
        )
    if options.json:
        with open(options.json, "w") as file:
            json.dump(rows, file, indent=1)


if __name__ == "__main__":
    main()
