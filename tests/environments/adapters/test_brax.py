"""Brax's environments as ours, compared with brax itself."""

import copy
import functools
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.environments import SettingError, make, registered
from didact.environments.adapters.brax import KINDS
from didact.environments.adapters.brax.silence import quiet

pytestmark = pytest.mark.reference
QUICK = ("inverted_pendulum", "reacher")


def brax_itself():
    return pytest.importorskip("brax", reason="needs brax: pip install -e '.[brax]'")


def kinds(chosen=tuple(KINDS)):
    """The small ones by default; the others take half a minute each to compile."""
    return [
        kind if kind in QUICK else pytest.param(kind, marks=pytest.mark.slow) for kind in chosen
    ]


N = 5  # worlds in every test, so that programs are compiled once


@functools.cache
def programs(kind, **settings):
    """An environment, and its compiled reset and step."""
    environment = make(f"brax/{kind}", **settings)
    return environment, jax.jit(environment.reset), jax.jit(environment.step)


def original(environment):
    return jnp.tile(environment.evaluation_tasks["original"], (N, 1))


def one_key(seed=0):
    """The same one for all worlds."""
    return jax.random.split(jax.random.key(seed), 1)[jnp.zeros(N, int)]


def actions_of(environment, steps, n=N, seed=0):
    shape = (steps, n, environment.action_space.size)
    return np.random.default_rng(seed).uniform(-1.2, 1.2, shape).astype(np.float32)


def test_names_are_known_without_brax():
    program = (
        "import sys; import didact.environments as e\n"
        "assert [x.name for x in e.registered() if x.name.startswith('brax/')]\n"
        "assert not {'brax', 'mujoco'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert {entry.name for entry in registered()} >= {f"brax/{kind}" for kind in KINDS}


def test_without_brax_it_is_one_sentence(monkeypatch):
    pytest.importorskip("mujoco")
    monkeypatch.setitem(sys.modules, "brax", None)
    with pytest.raises(SettingError, match=r"^environment is 'brax/ant', .*pip install -e '.\[b"):
        make("brax/ant")


def test_every_environment_of_brax_is_here():
    brax_itself()
    from brax import envs

    assert set(KINDS) == set(envs._envs) - {"fast"}  # a stub for brax's own tests


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("brax/ant", {"backend": "bullet"}, "backend is 'bullet', but must be one of generalized,"),
        ("brax/swimmer", {"backend": "spring"}, "must be one of generalized"),
        ("brax/ant", {"max_steps": 0}, "max_steps is 0, but must be at least 1"),
    ],
)
def test_settings_are_checked(name, settings, message):
    with pytest.raises(SettingError, match=message):
        make(name, **settings)


@pytest.mark.slow
def test_nothing_is_printed_or_logged(tmp_path):
    """MuJoCo and brax have much to say, also to a file in the current folder."""
    brax_itself()
    program = "import didact.environments as e; e.make('brax/halfcheetah')"
    command = [sys.executable, "-W", "error::UserWarning", "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", kinds())
def test_the_original_task_is_brax_itself(kind):
    """The same keys and actions give the same observations, rewards and ends."""
    brax_itself()
    from brax import envs

    environment, reset, step = programs(kind)
    with quiet():
        theirs = envs.get_environment(kind, backend=environment.backend)
    keys = jax.random.split(jax.random.key(3), N)
    state, seen = reset(keys, original(environment))
    their_step, their_reset = jax.jit(theirs.step), jax.jit(theirs.reset)
    alone = [their_reset(key) for key in keys]
    for i in range(N):
        np.testing.assert_allclose(seen.observation["observation"][i], alone[i].obs, atol=1e-5)
    # Contacts make small differences large.
    for actions in actions_of(environment, 25 if kind in QUICK else 8):
        state, seen = step(None, state, actions)
        for i in range(N):
            alone[i] = their_step(alone[i], np.clip(actions[i], -1, 1))
            np.testing.assert_allclose(
                seen.observation["observation"][i], alone[i].obs, rtol=2e-3, atol=2e-3
            )
            np.testing.assert_allclose(seen.reward[i], alone[i].reward, rtol=2e-3, atol=2e-3)
            assert bool(seen.terminated[i]) == bool(alone[i].done)
    assert step._cache_size() == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", kinds())
def test_every_number_of_a_task_changes_the_motion(kind):
    brax_itself()
    _changes(*programs(kind))


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["generalized", "spring", "positional", "mjx"])
@pytest.mark.parametrize("kind", ["ant", "reacher", "inverted_pendulum"])
def test_every_number_changes_the_motion_in_all_backends(kind, backend):
    brax_itself()
    _changes(*programs(kind, backend=backend))


def _changes(environment, reset, step):
    names = environment.task_space.names
    for first in range(0, len(names), N - 1):
        columns = jnp.arange(first, min(first + N - 1, len(names)))
        tasks = original(environment).at[columns - first, columns].multiply(1.5)
        state, _ = reset(one_key(), tasks)
        start = np.asarray(state.brax.pipeline_state.q)
        for actions in actions_of(environment, 40, n=1):
            state, seen = step(None, state, jnp.tile(actions, (N, 1)))
        moved = np.asarray(state.brax.pipeline_state.q)
        difference = np.abs(moved - moved[-1]).max(axis=1)[: len(columns)]
        assert np.isfinite(seen.observation["observation"]).all()
        assert (moved[-1] != start[-1]).any()
        found = dict(zip(names[first:], difference.tolist(), strict=False))
        if environment.name == "brax/pusher":  # random actions do not bring the arm to the object
            found.pop("friction", None)
        assert min(found.values()) > 1e-3, found


def test_motion_is_the_same_if_all_forces_and_masses_are_in_proportion():
    """As in any mechanics: a pendulum twice as heavy, on a motor twice as strong."""
    brax_itself()
    environment, reset, step = programs("inverted_pendulum")
    assert environment.task_space.names == ("gravity", "mass", "gear", "damping")
    factors = jnp.array(
        [[1, 1, 1, 1], [1, 1.6, 1.6, 1.6], [1, 1, 1.6, 1.6], [1, 1.6, 1, 1.6], [1, 1.6, 1.6, 1]]
    )
    state, _ = reset(one_key(), original(environment) * factors)
    for _ in range(4):
        state, seen = step(None, state, jnp.full((N, 1), 0.05))
    seen = seen.observation["observation"]
    alike = [np.allclose(row, seen[0], rtol=1e-3, atol=1e-5) for row in seen]
    assert alike == [True, True, False, False, False]


def test_bounds_come_from_the_system():
    brax_itself()
    environment, *_ = programs("inverted_pendulum")
    found = {d.name: (d.low, d.high, d.unit) for d in environment.task_space.dimensions}
    # inverted_pendulum.xml: gravity 9.81, gear 100, damping 1; 15.49 kg by its shapes.
    assert found["gravity"] == (4.905, 19.62, "m/s^2")
    assert found["gear"] == (50, 200, "N")
    assert found["damping"][:2] == (0.5, 2)
    assert found["mass"][0] == pytest.approx(15.49 / 2, abs=0.01)
    assert environment.easy_space.contains(original(environment)).all()
    assert (environment.easy_space.low > environment.task_space.low).all()


def near_the_end(environment, state, left):
    return state._replace(steps=jnp.full(N, environment.max_steps - left, jnp.int32))


def test_a_success_lasts_until_the_time_limit():
    brax_itself()
    environment, reset, step = programs("inverted_pendulum")
    state, seen = reset(jax.random.key(0), original(environment))
    state = near_the_end(environment, state, 3)
    for i in range(3):
        assert not seen.done.any()
        assert not seen.success.any()
        # The second one falls in the last step.
        actions = jnp.zeros((N, 1)).at[1].set(1.0 if i else 0.0)
        state, seen = step(None, state, actions)
    assert seen.truncated.all()
    assert seen.terminated.tolist() == [False, True, False, False, False]
    assert seen.success.tolist() == [True, False, True, True, True]


def test_reaching_is_being_near_at_the_end():
    """The target is put where the tip is, or a little away from it."""
    brax_itself()
    environment, reset, step = programs("reacher")
    state, seen = reset(jax.random.key(0), original(environment))
    seen = np.asarray(seen.observation["observation"])
    aside = np.array([0, 0.015, -0.018, 0.022, 0.04])
    q, qd = np.array(state.brax.pipeline_state.q), np.zeros((N, 4), np.float32)
    q[:, 2:] = seen[:, 4:6] + seen[:, 8:10] + aside[:, None] * [0, 1]
    placed = jax.jit(jax.vmap(environment._brax.pipeline_init))(q, qd)
    state = state._replace(brax=state.brax.replace(pipeline_state=placed))
    _, seen = step(None, near_the_end(environment, state, 2), jnp.zeros((N, 2)))
    assert not seen.success.any()
    _, seen = step(None, near_the_end(environment, state, 1), jnp.zeros((N, 2)))
    assert seen.success.tolist() == [True, True, True, False, False]


def test_the_range_of_returns_has_those_of_random_actions():
    """Rewards of the reacher are costs."""
    brax_itself()
    environment, reset, step = programs("reacher")
    assert environment.return_range == (-1200, 0)
    assert make("brax/reacher", max_steps=50).return_range == (-60, 0)
    state, seen = reset(one_key(), original(environment))
    rewards = []
    for action in actions_of(environment, 20):
        state, seen = step(one_key(), state, action)
        rewards.append(seen.reward)
    low, high = KINDS["reacher"].rewards
    assert low < np.mean(rewards) < low / 2 < high


def test_a_simulation_that_diverges_ends():
    brax_itself()
    environment, reset, step = programs("inverted_pendulum")
    state, _ = reset(jax.random.key(0), original(environment))
    broken = state.brax.pipeline_state
    broken = broken.replace(qd=broken.qd.at[1].set(jnp.nan).at[2].set(1e30))
    state = state._replace(brax=state.brax.replace(pipeline_state=broken))
    _, seen = step(None, state, jnp.zeros((N, 1)))
    assert seen.terminated.tolist() == [False, True, True, False, False]
    assert seen.reward.tolist() == [1, 0, 0, 1, 1]
    assert (np.abs(seen.observation["observation"]) <= 1e4).all()


def test_a_trace_leaves_brax_as_it_is():
    brax_itself()
    environment, *_ = programs("inverted_pendulum")
    before = copy.copy(environment._brax.sys)
    jax.eval_shape(environment.reset, jax.random.key(0), original(environment))
    for a, b in zip(jax.tree.leaves(before), jax.tree.leaves(environment._brax.sys), strict=True):
        assert a is b


@pytest.mark.parametrize("kind", QUICK)
def test_a_picture_shows_what_moves(kind):
    brax_itself()
    environment, reset, _ = programs(kind)
    state, _ = reset(jax.random.key(0), original(environment))
    picture = environment.render(state, 0)
    assert (picture.shape, picture.dtype) == ((240, 320, 3), np.uint8)
    assert (picture == environment.render(state, 0)).all()
    x = state.brax.pipeline_state.x
    moved = x.replace(pos=x.pos.at[:, 0].add(jnp.array([0.1, 0, 0])))
    pipeline_state = state.brax.pipeline_state.replace(x=moved)
    other = state._replace(brax=state.brax.replace(pipeline_state=pipeline_state))
    assert (environment.render(other, 0) != picture).any()
