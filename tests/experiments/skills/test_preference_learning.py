"""From random episodes and somebody's preferences to a reward, and to a policy trained by it."""

import jax.numpy as jnp
import numpy as np
import pytest

from didact.benchmarks.skills.preference_rewards import (
    PreferencesConfig,
    compare,
    rule,
    table,
    worth,
)
from didact.environments import SettingError, make
from didact.experiments.skills.preference_learning import as_completion, learn_reward, record_labels
from didact.students.skills.preferences import describe_episode, language_model_preferences
from didact.teachers.language import ProposerError, Reply

WISH = {"ball": 1.0, "blue and ball": 2.0, "box": -1.0}


def test_what_held_is_watched_until_an_episode_ends():
    office = make("Office", max_steps=30)
    seen = record_labels(office, 40)
    assert seen.shape == (40, 30, 8)
    assert seen.any()
    assert (seen == record_labels(office, 40)).all()
    assert (seen != record_labels(office, 40, seed=1)).any()
    longer = record_labels(office, 40, steps=50)
    assert not longer[:, 30:].any()  # the episodes were over
    with pytest.raises(SettingError, match="episodes is 0"):
        record_labels(office, 0)
    with pytest.raises(SettingError, match="with propositions"):
        record_labels(make("BabyAI-GoToLocal-v0"), 5)


def test_a_rule_reads_the_words_that_count():
    """Where things are touched one by one the words tell just what the labels do."""
    world = make("MovingTargets", max_steps=40)
    labels = record_labels(world, 60)
    counts = worth(labels, world.propositions, WISH).sum(1)
    texts = [describe_episode(row, world.propositions) for row in labels]
    told = [rule(WISH)(texts[0], text) for text in texts]
    right = [0.5 if counts[0] == count else float(counts[0] > count) for count in counts]
    # The same thing touched twice running is told once.
    assert np.mean(np.array(told) == right) > 0.9
    one = rule(WISH)("In 9 steps: blue and ball; yellow and box.", "In 9 steps: yellow and ball.")
    assert one == 1.0
    assert rule(WISH)("In 9 steps: nothing.", "In 9 steps: yellow and box.") == 1.0


@pytest.mark.slow
def test_the_reward_is_what_was_wished_for():
    world = make("MovingTargets", max_steps=60)
    model = learn_reward(world, rule(WISH), episodes=200, pairs=400)
    kinds = [(1, 0, 0, 1, 0), (0, 1, 0, 1, 0), (0, 0, 1, 1, 0), (1, 0, 0, 0, 1), (0, 1, 0, 0, 1)]
    blue_ball, *balls, blue_box, box = map(float, model(jnp.array(kinds, bool)))
    assert blue_ball == pytest.approx(1)
    assert all(0 < ball < 0.7 for ball in balls)
    assert blue_box < 0
    assert box < 0


def test_a_language_model_can_be_asked():
    def complete(messages, schema):
        if "box" in messages[-1]["content"]:
            raise ProposerError("The server is away.")
        return Reply('{"better": "second"}')

    prefer = language_model_preferences(as_completion(complete), "touch balls")
    assert prefer("nothing", "ball") == 0.0
    assert prefer("box", "ball") is None


@pytest.mark.slow
def test_a_policy_trained_by_preferences_does_what_was_wished_for(tmp_path):
    result = compare(PreferencesConfig(steps=300_000, tests=200, out=str(tmp_path)))
    assert len(result["wishes"]) == 3
    for row in result["wishes"].values():
        assert row["right"] > 0.9
        gained = row["preferences"] - row["random"]
        assert gained > 0.7 * (row["exact"] - row["random"])
    assert table(result).row_count == 3
