"""Brax's environments and gymnasium's of the same bodies: what a policy sees and does in both."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import SettingError, make
from didact.environments.adapters import OfficialGymnasium
from didact.environments.adapters.brax import KINDS

pytestmark = pytest.mark.reference
pytest.importorskip("mujoco", reason="needs MuJoCo: pip install -e '.[mujoco]'")
QUICK = ("inverted_pendulum", "reacher")


def itself(kind):
    pytest.importorskip("brax", reason="needs brax: pip install -e '.[brax]'")
    return make(f"brax/{kind}")


def with_counterparts():
    return [
        kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.slow)
        for kind in KINDS
        if KINDS[kind].official
    ]


def official(environment, n=1):
    return OfficialGymnasium(environment.official.name, n, environment)


@pytest.mark.parametrize("kind", with_counterparts())
def test_the_same_state_looks_the_same(kind):
    """Places and speeds of all joints, moved a little from where both begin."""
    environment = itself(kind)
    brax, worlds = environment._brax, official(environment)
    world = worlds.worlds[0].unwrapped
    generator = np.random.default_rng(0)
    moved = generator.uniform(-0.1, 0.1, world.model.nq)
    if kind == "ant":
        moved[3:7] = 0  # an orientation is of length 1
    speeds = generator.uniform(-1, 1, world.model.nv)
    worlds.reset([0], [0])
    world.set_state(world.init_qpos + moved, speeds)
    theirs = worlds._seen([world._get_obs()])["observation"][0]
    model = brax.sys.mj_model
    # Brax's ant begins lower, with bent legs.
    q = jnp.asarray((model.qpos0 if kind == "ant" else brax.sys.init_q) + moved)
    ours = jax.jit(lambda q, qd: brax._get_obs(brax.pipeline_init(q, qd)))(q, jnp.asarray(speeds))
    np.testing.assert_allclose(theirs, ours, atol=2e-3)
    # And the actions turn the same joints about the same axes.
    joints = model.actuator_trnid[:, 0]
    np.testing.assert_array_equal(joints, world.model.actuator_trnid[:, 0])
    np.testing.assert_allclose(model.jnt_axis[joints], world.model.jnt_axis[joints], atol=1e-6)


def test_the_cart_is_pushed_as_hard():
    """One step from the same state, with integrators that differ."""
    environment = itself("inverted_pendulum")
    step = jax.jit(environment.step)
    n = 5
    state, _ = jax.jit(environment.reset)(
        jax.random.key(0), jnp.tile(environment.evaluation_tasks["original"], (n, 1))
    )
    worlds = official(environment, n)
    worlds.reset(range(n), range(n))
    pipeline = state.brax.pipeline_state
    for i, world in enumerate(worlds.worlds):
        world.unwrapped.set_state(np.asarray(pipeline.q[i]), np.asarray(pipeline.qd[i]))
    actions = np.linspace(-0.3, 0.3, n).astype(np.float32)[:, None]
    _, ours = step(None, state, actions)
    theirs, reward, terminated, _ = worlds.step(range(n), actions)
    a, b = np.asarray(ours.observation["observation"]), theirs["observation"]
    assert np.abs(b[:, 2]).max() > 0.1  # m/s: it does move
    np.testing.assert_allclose(a[:, 2:], b[:, 2:], rtol=0.1, atol=0.02)
    np.testing.assert_allclose(a[:, :2], b[:, :2], rtol=0.1, atol=0.02)
    assert (reward == 1).all()
    assert not terminated.any()


def test_a_controller_that_balances_the_pole_does_so_in_both():
    environment = itself("inverted_pendulum")
    step, n, steps = jax.jit(environment.step), 5, 300

    def controller(seen, sign=1):
        x, angle, speed, turning = np.asarray(seen["observation"]).T
        return np.clip(sign * (4 * angle + 0.7 * turning + 0.15 * x + 0.3 * speed), -1, 1)[:, None]

    for sign, falls in ((1, False), (-1, True)):
        state, seen = jax.jit(environment.reset)(
            jax.random.key(0), jnp.tile(environment.evaluation_tasks["original"], (n, 1))
        )
        worlds = official(environment, n)
        theirs, fallen, fell = (
            worlds.reset(range(n), range(n)),
            np.zeros(n, bool),
            np.zeros(n, bool),
        )
        for _ in range(steps):
            state, seen = step(None, state, controller(seen.observation, sign))
            theirs, _, terminated, _ = worlds.step(range(n), controller(theirs, sign))
            fallen |= np.asarray(seen.terminated)
            fell |= terminated
        assert fallen.tolist() == fell.tolist() == [falls] * n


def test_without_its_packages_it_is_one_sentence(monkeypatch):
    import gymnasium

    environment = itself("inverted_pendulum")

    def missing(*_, **__):
        raise gymnasium.error.DependencyNotInstalled("MuJoCo is not installed")

    monkeypatch.setattr(gymnasium, "make", missing)
    with pytest.raises(SettingError, match=r"pip install -e '.\[mujoco\]'"):
        official(environment)
