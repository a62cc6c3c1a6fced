"""Facts of grid worlds beside the verifier, which tells them in its own way."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import didact.students.skills  # noqa: F401  (registers formulas)
from didact.environments import SettingError, make, with_propositions
from didact.environments.grid import cells
from didact.environments.grid.object_propositions import PROPOSITIONS
from didact.environments.text_settings import make_with_text_settings

N = 64


def test_what_is_asked_for_holds_in_the_step_that_fulfils_it():
    """ "go to the red ball": in the step of success, and in no step before, an agent faces one."""
    world = with_propositions(make("BabyAI-GoToLocal-v0"))
    state, seen = jax.jit(world.reset)(
        jax.random.key(0), world.task_space.sample(jax.random.key(1), N)
    )
    words = [
        world.instruction_text({k: v[i] for k, v in seen.observation.items()}) for i in range(N)
    ]
    columns = [PROPOSITIONS.index("_".join(text.split()[-2:])) for text in words]
    step, over, won = jax.jit(world.step), np.zeros(N, bool), 0
    for t in range(60):
        state, seen = step(None, state, jax.random.randint(jax.random.key(t), (N,), 0, 3))
        asked = np.asarray(seen.labels)[np.arange(N), columns]
        np.testing.assert_array_equal(asked[~over], np.asarray(seen.success)[~over])
        np.testing.assert_array_equal(seen.labels, seen.observation["labels"])
        won += int((np.asarray(seen.success) & ~over).sum())
        over |= np.asarray(seen.done)
    assert won > 10


def test_what_is_carried_is_held():
    world = with_propositions(make("BabyAI-PutNextLocal-v0"))
    state, seen = jax.jit(world.reset)(
        jax.random.key(0), world.task_space.sample(jax.random.key(1), N)
    )
    step, held = jax.jit(world.step), 0
    for t in range(40):
        state, seen = step(None, state, jax.random.randint(jax.random.key(t), (N,), 0, 5))
        for carried, row in zip(state.world.carried.tolist(), np.asarray(seen.labels), strict=True):
            told = [name for name, yes in zip(PROPOSITIONS, row, strict=True) if yes]
            told = [name for name in told if name.startswith("holding")]
            if carried == cells.EMPTY:
                assert not told
            else:
                kind = {v: k for k, v in cells.TYPES.items()}[carried & cells.KIND_BITS]
                assert told == [f"holding_{cells.COLORS[(carried & 127) >> 4]}_{kind}"]
                held += 1
    assert held > 20


def test_doors_count_in_any_state():
    world = with_propositions(make("BabyAI-Open-v0"))
    state, _ = jax.jit(world.reset)(
        jax.random.key(3), world.task_space.sample(jax.random.key(4), 1)
    )
    step, width = jax.jit(world.step), world.environment.width
    for kind in (cells.DOOR, cells.CLOSED_DOOR, cells.LOCKED_DOOR):
        there = state.world._replace(direction=jnp.zeros(1, jnp.int32))
        place = int(there.position[0]) + 1
        assert place % width
        painted = there.cells.at[0, place].set(cells.code(kind, cells.BLUE))
        _, seen = step(None, state._replace(world=there._replace(cells=painted)), jnp.array([6]))
        assert [PROPOSITIONS[i] for i in np.flatnonzero(seen.labels[0])] == ["blue_door"]


def test_facts_are_a_setting_and_come_before_formulas():
    told = ["facts=1", "formula=F(red_ball & X F blue_key)"]
    for texts in (told, told[::-1]):
        assert "progress" in make_with_text_settings("GoTo", texts).observation_space
    with pytest.raises(SettingError, match="given once"):
        make_with_text_settings("GoTo", [*told, "formula=F red_ball"])
    with pytest.raises(SettingError, match="facts is 'yes'"):
        make_with_text_settings("GoTo", ["facts=yes"])
    with pytest.raises(SettingError, match="facts is '1', but must be omitted with Office"):
        make_with_text_settings("Office", ["facts=1"])
