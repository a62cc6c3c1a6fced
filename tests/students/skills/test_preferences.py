"""Rewards from preferences: a rule's wish is found again, and episodes are told as they were."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import SettingError
from didact.environments.toys.office import Office
from didact.students.skills.preferences import (
    Preferences,
    collect_preferences,
    describe_episode,
    fit_reward_model,
    language_model_preferences,
)
from didact.students.skills.rewards import WithRewardModel

NAMES = ("coffee", "mail", "decoration")


def episodes(n=200, steps=30, seed=0):
    rng = np.random.default_rng(seed)
    held = rng.integers(0, 12, (n, steps))
    return held[..., None] == np.arange(3)


def wish(first, second):
    """Coffee is good, a decoration is bad; of the words alone."""

    def worth(text):
        return text.count("coffee") - 2 * text.count("decoration")

    one, other = worth(first), worth(second)
    return 0.5 if one == other else float(one > other)


def test_the_reward_orders_new_episodes_as_the_wish_does():
    labels = episodes()
    texts = [describe_episode(row, NAMES) for row in labels]
    model = fit_reward_model(labels, collect_preferences(texts, wish, 600))
    worth = [float(model(jnp.eye(3, dtype=bool)[i])) for i in range(3)]
    assert worth[0] > abs(worth[1])
    assert worth[2] < -worth[0]
    assert float(model(jnp.zeros(3, bool))) == 0
    new = episodes(seed=1)
    sums = np.asarray(jnp.sum(model(jnp.asarray(new)), 1))
    known = collect_preferences([describe_episode(row, NAMES) for row in new], wish, 400, seed=1)
    clear = known.first != 0.5
    right = sums[known.pairs[:, 0]] > sums[known.pairs[:, 1]]
    # Words tell what went on for two steps once, rewards count it twice: that is the rest.
    assert np.mean(right[clear] == (known.first[clear] == 1)) > 0.9


def test_the_loss_is_that_of_bradley_and_terry():
    """Two episodes of one step each, preferred three times in four: a difference of log 3."""
    labels = np.eye(2, dtype=bool)[:, None]
    known = Preferences(np.array([[0, 1]] * 4), np.array([1.0, 1, 1, 0]))
    model = fit_reward_model(labels, known, decay=0.0, updates=2000)
    a, b = (float(model(jnp.asarray(labels[i, 0]))) for i in range(2))
    assert a - b == pytest.approx(np.log(3), abs=0.01)


def test_episodes_are_told_by_their_events():
    labels = np.zeros((6, 3), bool)
    labels[1:3, 0] = labels[4, 1:] = labels[5, 0] = True
    told = "In 6 steps: coffee; mail and decoration; coffee."
    assert describe_episode(labels, NAMES) == told
    assert describe_episode(labels, NAMES, longest=1) == "In 6 steps: coffee; and more."
    assert describe_episode(labels[:1], NAMES) == "In 1 steps: nothing."


def test_a_model_is_asked_and_only_read():
    asked = []

    def complete(messages, schema):
        asked.append(messages[-1]["content"])
        return answers.pop(0)

    answers = ['{"better": "second"}', "no idea", '{"better": "both"}', "[]", '{"better": []}']
    answers += ['{"better": "neither"}', '{"better": "first"}']
    # Fences, reasoning and prose, as language models write them.
    answers += ['```json\n{"better": "first"}\n```', '<think>{"better": "second"}</think>']
    answers += ['<think>Hm.</think>Sure: {"better": "second"}.']
    prefer = language_model_preferences(complete, "fetch coffee")
    expected = [0.0, None, None, None, None, 0.5, 1.0, 1.0, None, 0.0]
    assert [prefer("a", "b") for _ in expected] == expected
    assert asked[0] == "Wish: fetch coffee\nFirst: a\nSecond: b"


def test_a_world_pays_what_the_model_says():
    labels = episodes()[:, :, :1].repeat(8, 2)
    texts = [describe_episode(row, Office.propositions) for row in labels]
    world = Office()
    model = fit_reward_model(labels, collect_preferences(texts, wish, 50), updates=5)
    paid = WithRewardModel(world, model)
    state, _ = paid.reset(jax.random.key(0), world.task_space.sample(jax.random.key(1), 64))
    for t in range(10):
        state, seen = paid.step(None, state, jax.random.randint(jax.random.key(t), (64,), 0, 4))
        expected = np.clip(model(seen.labels), -1, 1)
        np.testing.assert_allclose(seen.reward, expected, rtol=1e-6)


def test_what_has_no_meaning_is_refused():
    with pytest.raises(SettingError, match="at least two"):
        collect_preferences(["a", "a"], wish, 10)
    with pytest.raises(SettingError, match="preference is 2"):
        collect_preferences(["a", "b"], lambda a, b: 2, 10)
    with pytest.raises(SettingError, match="at least one"):
        fit_reward_model(episodes(2), Preferences(np.zeros((0, 2), int), np.zeros(0)))
