"""Achievements of episodes: their rates, Crafter's score, and where they are reported."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import ArraySpace, Box, Dimension, Discrete, Environment, Timestep
from didact.experiments.config import TrainConfig
from didact.experiments.evaluation.achievements import ACHIEVED, score
from didact.experiments.evaluation.evaluate import Results, evaluator, summary
from didact.experiments.evaluation.scores import scores_of
from didact.experiments.loop import Loop
from didact.experiments.runs.logs import chunk_row
from didact.students import PPOConfig, ppo, random_actions
from didact.teachers import uniform

# Percent of episodes, from the result files of the original repository, and their published score.
PUBLISHED = {
    "DreamerV2": (
        *(14.7, 0, 80, 0, 86.6, 42.7, 92.7, 2.6, 53.1, 17.1, 0.1, 0, 0, 0.2, 0.3),
        *(59.6, 40.2, 1.8, 84.4, 29, 85.7, 92.8),
    ),
    "PPO": (
        *(0.4, 0, 30.3, 0, 66.7, 3, 83, 0.2, 2, 12, 0, 0, 0, 0, 0),
        *(21.1, 20.1, 0.1, 65, 1.7, 66.1, 92.5),
    ),
    "human": (
        *(86, 12, 92, 53, 67, 100, 100, 31, 84, 89, 8, 26, 22, 78, 78),
        *(100, 45, 32, 24, 90, 100, 73),
    ),
}


@pytest.mark.parametrize(("name", "expected"), [("DreamerV2", 10.0), ("PPO", 4.6), ("human", 50.5)])
def test_the_score_is_that_of_published_rates(name, expected):
    rates = {str(i): percent / 100 for i, percent in enumerate(PUBLISHED[name])}
    assert len(rates) == 22
    # Published is the mean of the scores of seeds; that of the pooled rates is a little larger.
    assert expected - 0.1 <= score(rates) <= 1.1 * expected


def test_scores_of_extremes():
    assert score({"a": 0.0, "b": 0.0}) == 0
    assert score({"a": 1.0, "b": 1.0}) == pytest.approx(100)


def test_the_score_of_several_seeds_is_the_mean_of_theirs():
    """As published; the score of the pooled rates would be sqrt(51) - 1."""
    rates = {"a": np.array([1.0, 0.0]), "b": np.zeros(2)}
    zero = np.zeros((2, 1, 3))  # seeds, tasks, episodes
    achieved = {name: rate[:, None, None] + zero for name, rate in rates.items()}
    evaluated = scores_of(Results(zero, zero, zero, achieved), ["task"], TrainConfig())["task"]
    sums = {name: np.ones((2, 1)) for name in ("return_sum", "success_sum", "length_sum")}
    sums |= {f"{ACHIEVED}{name}": 4 * rate[:, None] for name, rate in rates.items()}
    for found in (evaluated, chunk_row(sums | {"episodes": np.full((2, 1), 4)})):
        assert found["score"] == pytest.approx((np.sqrt(101) - 1) / 2)
        assert found["achievements"] == {"a": 0.5, "b": 0.0}
    # A seed without an episode in the chunk is left out.
    first = chunk_row(sums | {"episodes": np.array([[4], [0]])})
    assert first["score"] == pytest.approx(np.sqrt(101) - 1)


class Steps(Environment):
    """Three steps; "even" and "never" are achieved as their names say; "odd" is not counted."""

    name = "Steps"
    task_space = Box((Dimension("start", 0, 1, integer=True),))
    observation_space = {"time": ArraySpace((), jnp.float32, 0, 9)}  # noqa: RUF012
    action_space = Discrete(2)
    max_steps = 3
    propositions = ("odd", "even", "never")
    achievements = ("even", "never")

    def reset(self, key, tasks):
        return self.show((tasks[:, 0], jnp.zeros(len(tasks))))

    def step(self, key, state, actions):
        return self.show((state[0], state[1] + 1))

    def show(self, state):
        start, time = state
        even, over = start == 0, time >= 3
        labels = jnp.stack([~even, even & (time == 2), even & ~even], 1)
        return state, Timestep({"time": time}, time * 0, over, over & False, over, labels)


def test_evaluations_report_the_share_of_episodes():
    environment = Steps()
    play = jax.jit(evaluator(environment, random_actions(environment.action_space), num_envs=2))
    tasks = jnp.array([[0.0], [1.0], [0.0], [0.0]])
    found = summary(play((), jax.random.key(0), tasks))
    assert found["achievements"] == {"even": 0.75, "never": 0.0}
    assert found["score"] == pytest.approx(np.sqrt(76) - 1)


def test_trainings_report_the_share_of_episodes():
    environment = Steps()
    student = ppo(
        environment.observation_space, environment.action_space, PPOConfig(num_minibatches=1),
        axes=("devices",), num_updates=3,
    )  # fmt: skip
    space = environment.task_space.restricted(start=0)
    loop = Loop(environment, uniform(space), student, num_envs=2, rollout_length=4)
    _, records = loop.chunk(loop.init(0), 3)
    row = chunk_row({name: np.asarray(x) for name, x in records.metrics.items()})
    assert row["achievements"] == {"even": 1.0, "never": 0.0}
    assert not any(name.startswith(ACHIEVED) for name in row["learning"])
    assert not any(name.startswith(ACHIEVED) for name in records.outcomes.scores)
