"""`didact compose` where skills are a network: what is saved acts as its plan over it says."""

import json
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import SettingError
from didact.environments.toys.moving_targets import MovingTargets
from didact.experiments.evaluation import watch
from didact.experiments.plotting import value_maps
from didact.experiments.skills import skill_training
from didact.experiments.skills.compose import Compose, composed
from didact.students import load_policy
from didact.students.policies.cards import check_card
from didact.students.skills import automaton, plan_action_values
from didact.students.skills.deep import GoalLearnerConfig, GoalNetwork, action_values
from didact.students.skills.plans import GoalPlans

pytestmark = pytest.mark.slow

SETTINGS = ("size=5", "max_steps=10")


def composition(folder, formula, **more):
    choice = Compose(
        formula, env="movingtargets", env_settings=SETTINGS, episodes=2, run=folder, **more
    )
    return composed(choice)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """One that learns, as little as can be, and one that takes its network; and all goals."""
    folder = tmp_path_factory.mktemp("networks")
    found = skill_training.discover(MovingTargets(size=5, max_steps=10))
    with pytest.MonkeyPatch.context() as patch:
        # Compiling takes nearly all of the time. What is not tested here is made once, or not.
        patch.setattr(skill_training, "discover", lambda environment, seed: found)
        patch.setattr(value_maps, "value_maps", lambda *_: None)
        patch.setattr(watch, "record", lambda *_, **__: None)
        first = composition(folder / "first", "F(ball & X F box) & G !purple", steps=6400)
        again = composition(folder / "again", "F box & G !yellow", skills=folder / "first")
    return (folder / "first", first), (folder / "again", again), found.goals


def test_a_network_is_used_again(runs):
    (folder, first), (other, again), _ = runs
    assert (first["steps"], again["steps"]) == (6400, 0)
    networks = [load_policy(each).params["network"] for each in (folder, other)]
    jax.tree.map(np.testing.assert_array_equal, *networks)


@pytest.mark.parametrize("number", [0, 1])
def test_a_saved_policy_acts_as_the_plan_over_its_network_says(runs, number):
    (folder, result), goals = runs[number], runs[-1]
    policy = load_policy(folder)
    made, params = automaton(result["formula"]), policy.params
    assert len(goals) == result["goals"] == policy.card["composed"]["goals"]
    broken = goals[:, {0: 1, 1: 2}[number]]  # purple, yellow
    np.testing.assert_array_equal(params["forbidden"][made.initial], broken)
    wanted = goals[:, {0: 3, 1: 4}[number]] & ~broken  # a ball, a box
    assert (np.asarray(params["worth"])[made.initial, wanted] > 0).all()

    world, n = policy.make_environment(), 64
    _, seen = world.reset(jax.random.key(0), world.task_space.sample(jax.random.key(1), n))
    sizes = policy.card["composed"]
    network = GoalNetwork(sizes["goals"], 4, sizes["hidden"], sizes["cell"])
    plan = GoalPlans(*(params[name][None] for name in GoalPlans._fields))
    for state in np.flatnonzero(made.alive & ~made.accepting):
        progress = jnp.tile(jnp.arange(made.num_states) == state, (n, 1))
        observation = {**seen.observation, "progress": progress}
        action, _ = policy.act(observation)
        values = np.asarray(
            plan_action_values(
                plan,
                jnp.full(n, state),
                lambda no: action_values(network, params["network"], seen.observation["image"], no),
                jnp.zeros(n, jnp.int32),
            )
        )
        chosen = values[np.arange(n), action]
        np.testing.assert_allclose(chosen, values.max(1), rtol=1e-5)
        assert (chosen > values[:, 0] * (1 + 1e-4)).any()  # the first action is not all it takes


@pytest.mark.parametrize(
    ("name", "shape"),
    [("progress", None), ("progress", [9]), ("image", None), ("image", [5])],
)
def test_a_card_without_what_a_network_reads_is_refused(runs, name, shape):
    card = json.loads((runs[0][0] / "policy" / "policy.json").read_text())
    check_card(card)
    spaces = card["observation_space"]
    spaces |= {name: spaces[name] | {"shape": shape}}
    if shape is None:
        del spaces[name]
    with pytest.raises(SettingError, match=f"observation '{name}'"):
        check_card(card)


def test_images_are_sorted_by_the_goals_of_a_network():
    """Whatever random actions discover this time: in another order, more of them or fewer."""
    goals = np.array([[False, True], [True, False], [True, True]])
    images = [np.full((2, 1, 1), i, np.uint8) for i in range(3)]
    found = skill_training.Discovered(goals, images).of(goals[[2, 0]])
    assert [x.max() for x in found.images] == [2, 0]
    fewer = skill_training.Discovered(goals[1:], images[1:]).of(goals)
    assert [len(x) for x in fewer.images] == [0, 2, 2]


def test_goals_without_images_have_no_ways():
    world = MovingTargets(size=5, max_steps=10)
    goals = np.eye(3, 5, dtype=bool)
    found = skill_training.Discovered(goals, [np.zeros((k, 5, 5), np.uint8) for k in (1, 0, 2)])
    config = GoalLearnerConfig(hidden=4, cell=2)
    params = GoalNetwork(3, 4, 4, 2).init(
        jax.random.key(0), jnp.zeros((1, 5, 5), jnp.uint8), jnp.zeros(1, int), jnp.zeros((1, 3))
    )
    between = skill_training.skills(found, params, config, world).between(np.zeros(3, bool))
    assert between.shape == (3, 3)
    assert (between[1] == 0).all()
    assert (between[[0, 2]] > 0).all()


def test_a_network_for_other_goals_is_no_longer_taken(runs, tmp_path):
    """Its card says which goals it has and in which settings of the environment."""
    (folder, _), _, goals = runs
    names = np.array(MovingTargets(size=5, max_steps=10).propositions)
    path = folder / "policy" / "policy.json"
    card = json.loads(path.read_text())
    assert card["goals"] == [names[goal].tolist() for goal in goals]
    choice = Compose("F box", env="movingtargets", env_settings=("size=5",), skills=folder)
    with pytest.raises(SettingError, match="the same --env-settings"):
        composed(choice)
    shutil.copytree(folder, tmp_path / "first")
    for wrong in (None, card["goals"][1:], [["tea"]]):
        text = json.dumps({**card, "goals": wrong})
        (tmp_path / "first" / "policy" / "policy.json").write_text(text)
        with pytest.raises(SettingError, match=r"goals on (the|its) card"):
            composition(tmp_path / "again", "F box", skills=tmp_path / "first")
