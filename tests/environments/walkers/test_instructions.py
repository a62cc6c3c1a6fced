"""Instructions for bodies: their words, when they are fulfilled, and hindsight."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.common.errors import SettingError
from didact.environments import make
from didact.environments.language import vocabulary
from didact.environments.language.paraphrase_pool import SPLITS
from didact.environments.testing import check
from didact.environments.walkers import goals
from didact.environments.walkers.goals import Sight
from didact.environments.walkers.instructions import InstructedBodies, Scene

ALL = (*goals.STUMPS, *goals.ON_LAND, *goals.CLIMBS, *goals.SWIMS)


def test_no_wording_occurs_in_two_splits_of_a_goal():
    for goal in ALL:
        seen = [text for split in SPLITS for text in goal.wordings(split)]
        assert len(set(seen)) == len(seen)
    for kind in ("climber", "swimmer", "walker"):
        texts = [text for goal in goals.goals("Parkour", kind) for text in goal.train]
        assert len(set(texts)) == len(texts)
    with pytest.raises(SettingError, match="phrasing"):
        ALL[0].wordings("all")


def sight(**labels):
    names = ("upright", "in the air", "stump 1", "stump 2", "holding", "under water")
    truth = {name: jnp.array([bool(labels.get(name.replace(" ", "_"), False))]) for name in names}
    truth["holding with both hands"] = jnp.array([bool(labels.get("both", False))])

    def number(name, default=0.0):
        return jnp.array([labels.get(name, default)], jnp.float32)

    stumps = jnp.array([labels.get("stumps", (9.0, 12.0, 15.0))], jnp.float32)
    return Sight(truth, number("x"), number("y"), number("speed", 1.0), stumps)


def test_climbers_are_asked_for_what_is_tested():
    """Hands that hold may hold creepers; so no instruction asks for the ceiling."""
    texts = [text for goal in goals.CLIMBS for text in (*goal.train, goal.validation, goal.test)]
    assert not [text for text in texts if "ceiling" in text]


@pytest.mark.parametrize(
    ("text", "yes", "no"),
    [
        (
            "walk to the second stump and stop",
            {"stumps": (-5, 0.5, 6), "speed": 0.1},
            {"stumps": (-5, 0.5, 6), "speed": 2.0},
        ),
        ("walk over the first stump", {"stump_1": True, "upright": True}, {"stump_1": True}),
        ("stand still", {"upright": True, "speed": 0.0}, {"upright": True, "speed": 1.0}),
        ("jump", {"in_the_air": True, "y": 0.3}, {"y": 0.3}),
        ("jump", {"in_the_air": True, "y": 0.3}, {"in_the_air": True, "y": -0.3}),
        ("hang", {"holding": True}, {}),
        ("hang with a hand", {"holding": True}, {"holding": True, "both": True}),
        ("go ahead and hang", {"holding": True, "x": 2.0}, {"x": 2.0}),
        ("swim up", {"under_water": True, "y": 3.0}, {"y": 3.0}),
    ],
)
def test_goals_hold_where_they_should(text, yes, no):
    goal = next(goal for goal in ALL if goal.train[0] == text)
    assert bool(goal.holds(sight(**yes))[0])
    assert not bool(goal.holds(sight(**no))[0])


def test_the_instruction_is_the_task_s():
    environment = make("WalkerInstructions", phrasing="test")
    tasks = jnp.asarray(np.stack(list(environment.evaluation_tasks.values())))
    _, first = jax.jit(environment.reset)(jax.random.key(0), tasks)
    for i, goal in enumerate(environment.goals):
        observation = {name: np.asarray(row[i]) for name, row in first.observation.items()}
        assert environment.instruction_text(observation) == goal.test


def test_hindsight_describes_the_goal_that_was_reached():
    environment = make("WalkerInstructions", world="Parkour")
    described = environment.achieved_instructions()
    needed = np.array([goal.steps for goal in environment.goals])
    size = len(needed)
    before = described.initial(size + 1)
    counts = np.zeros((size + 1, size), np.int32)
    counts[np.arange(size), np.arange(size)] = needed
    there = Scene(jnp.ones(size + 1, bool), jnp.asarray(counts))
    assert not np.asarray(described.describe(before, there)[1]).any()
    written, reached = described.describe(there, there)
    assert np.asarray(reached).tolist() == [True] * size + [False]
    for i, text in enumerate(environment.texts):
        assert vocabulary.decode(np.asarray(written[i])) == text
    state = InstructedBodies(None, jnp.zeros(3, jnp.int32), counts[:3], None, None)  # pyright: ignore[reportArgumentType]
    assert np.asarray(described.reveal(state).there).all()


@pytest.mark.parametrize("world", ["StumpTracks", "Parkour"])
def test_declarations(world):
    check(make("WalkerInstructions", world=world), run=False)


def test_settings_are_checked():
    with pytest.raises(SettingError, match="world"):
        make("WalkerInstructions", world="Moon")
    with pytest.raises(SettingError, match="max_steps"):
        make("WalkerInstructions", max_steps=0)


@pytest.mark.slow
def test_climbers_that_hold_on_hang():
    environment = make("WalkerInstructions", world="Parkour", body="climbing_chest")
    tasks = jnp.asarray(np.stack(list(environment.evaluation_tasks.values())))
    state, _ = jax.jit(environment.reset)(jax.random.key(0), tasks)
    step = jax.jit(environment.step)
    actions = np.zeros((len(tasks), environment.action_space.size), np.float32)
    actions[:, -2:] = 1
    done = np.zeros(len(tasks), bool)
    for number in range(60):
        state, seen = step(jax.random.key(number), state, jnp.asarray(actions))
        done |= np.asarray(seen.success)
    assert done[:2].all()
    assert not done[2:].any()
