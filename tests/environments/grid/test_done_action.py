"""Success that has to be claimed: beside BabyAI's own verifier with done actions switched on."""

import gymnasium
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from minigrid.core.actions import Actions
from minigrid.envs.babyai.core import verifier as babyai

from didact.environments import SettingError, make
from didact.environments.grid import GridWorld, cells, minigrid_import, verifier
from didact.environments.language import grammar

# left, right, forward, pickup, drop, toggle, done
BIASED = np.array([0.15, 0.15, 0.35, 0.14, 0.09, 0.11, 0.01])
SINGLE = ["GoToLocal", "GoToObjS4", "OpenDoor", "OpenDoorDebug", "PutNextS4N1", "PickupLoc"]


def claiming(world):
    return GridWorld(world.task_space, False, 80, family=world.family, done_action=True)


def package_levels(name, seeds):
    for seed in seeds:
        e = gymnasium.make(f"BabyAI-{name}-v0", disable_env_checker=True).unwrapped
        e.reset(seed=seed)
        yield e


def joined(e):
    """The same level, in which another object is to be gone to as well."""
    things = {(t.type, t.color) for t in e.grid.grid if t and t.type in cells.TYPES}
    first = e.instrs.desc
    other = min(things - {(first.type, first.color)})
    e.instrs = babyai.AndInstr(e.instrs, babyai.GoToInstr(babyai.ObjDesc(*other)))
    e.instrs.reset_verifier(e)
    e.mission = e.instrs.surface(e)
    return e


def play(environments, seed, longest=150):
    """Plays both with the same actions; (mismatches, successes, failures)."""
    state = minigrid_import.from_minigrid(environments, 80)
    step = jax.jit(claiming(minigrid_import.world_of(environments, 80)).step)
    rng = np.random.default_rng(seed)
    alive, wrong, successes, failures = np.ones(len(environments), bool), [], 0, 0
    claims = np.zeros(len(environments), bool)
    for t in range(longest):
        actions = rng.choice(7, len(environments), p=BIASED)
        # Most worlds say "done" as soon as there is a reason to.
        actions = np.where(claims & (np.arange(len(alive)) % 4 > 0), 6, actions)
        state, seen = step(None, state, jnp.asarray(actions))
        claims = np.asarray(jnp.any(state.goal.matched & ~state.goal.done, 1))
        ours = jax.device_get(seen)
        for i in np.flatnonzero(alive):
            # An `and` of the package knows "done" only as the enumeration's own member.
            _, reward, terminated, truncated, _ = environments[i].step(Actions(actions[i]))
            told = float(ours.reward[i]), bool(ours.terminated[i]), bool(ours.truncated[i])
            if told[1:] != (terminated, truncated) or abs(told[0] - reward) > 1e-6:
                wrong.append((t, i, environments[i].mission, told, (reward, terminated, truncated)))
            successes += terminated and reward > 0
            failures += terminated and reward == 0
            alive[i] = not (terminated or truncated)
    return wrong, successes, failures


@pytest.fixture(autouse=True)
def done_actions(monkeypatch):
    monkeypatch.setattr(babyai, "use_done_actions", True)


@pytest.mark.slow
def test_every_verdict_is_babyais():
    total = np.zeros(2, int)
    for seed, name in enumerate(SINGLE):
        levels = list(package_levels(name, range(12)))
        wrong, *ends = play(levels, seed)
        assert not wrong, wrong[:3]
        total += ends
    assert total.min() > 8


def test_both_clauses_may_be_claimed_one_after_the_other():
    levels = [joined(e) for e in package_levels("GoToLocalS6N3", range(24))]
    wrong, successes, failures = play(levels, 0, 300)
    assert not wrong, wrong[:3]
    assert successes > 3
    assert failures > 3


def test_each_part_of_a_sequence_is_claimed_by_itself():
    """Nothing to compare with: in BabyAI no sequence succeeds. The clauses' turns by hand."""
    width = 5
    clauses = jnp.array([[grammar.GO_TO, 0, grammar.GO_TO, 0]], jnp.uint8)
    members = jnp.array([[1, 16]], jnp.uint8)
    world = make("BabyAI-GoToObjS4-v0")
    state, _ = jax.jit(world.reset)(
        jax.random.key(0), world.task_space.sample(jax.random.key(0), 1)
    )
    places = jnp.array([[7, 11]], jnp.int16)
    goal = verifier.start(clauses, members, places)
    # The agent at 6 faces right (7 is ahead), or down (11 is ahead).
    base = state.world._replace(
        cells=jnp.full((1, 25), 1, jnp.uint8),
        position=jnp.array([6]),
        objects=jnp.array([[38, 22]], jnp.uint8),
        places=places,
    )

    def act(goal, direction, action):
        at = base._replace(direction=jnp.array([direction]))
        kinds = grammar.KINDS
        return verifier.verify(goal, at, jnp.array([action]), width, kinds, done_action=True)

    goal, told = act(goal, 0, 0)  # turned to the first
    assert (bool(told.success[0]), bool(told.failure[0])) == (False, False)
    assert not act(goal, 0, 0)[1].success[0]  # not claimed
    goal, told = act(goal, 0, 6)
    assert (bool(told.success[0]), bool(told.failure[0])) == (False, False)
    assert act(goal, 0, 6)[1].failure[0]  # claimed too early
    goal, told = act(goal, 1, 1)  # turned to the second
    assert (bool(told.success[0]), bool(told.failure[0])) == (False, False)
    goal, told = act(goal, 1, 6)
    assert (bool(told.success[0]), bool(told.failure[0])) == (True, False)


def test_missions_of_minigrid_know_no_claims():
    empty = make("MiniGrid-Empty-5x5-v0")
    with pytest.raises(SettingError, match="done_action is True"):
        GridWorld(empty.task_space, family=empty.family, done_action=True)
