"""Keys for continuous actions: repeated steps, ends within them, and pictures as text."""

import warnings
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from didact.common.errors import SettingError
from didact.environments import Box, Continuous, Dimension, Environment, Timestep, make
from didact.environments.spaces import ArraySpace
from didact.environments.wrappers import KeyboardControls
from didact.environments.wrappers.keyboard import as_text
from didact.experiments.evaluation.play import Game, playable


class Place(NamedTuple):
    x: jax.Array


class Slider(Environment[Place]):
    """A bead that moves by the action and falls off at 1."""

    name = "Slider"
    task_space = Box((Dimension("start", 0, 0, description="where it begins"),))
    action_space = Continuous((1,), names=("push",))
    observation_space = {"x": ArraySpace((), np.dtype(np.float32), -np.inf, np.inf)}  # noqa: RUF012
    max_steps = 100
    controls = {"left": (-0.3,), "right": (0.3,), "noop": (0.0,)}  # noqa: RUF012

    def reset(self, key, tasks):
        state = Place(tasks[:, 0])
        return state, self._seen(state, jnp.zeros(len(tasks)))

    def step(self, key, state, actions):
        moved = Place(state.x + actions[:, 0])
        return moved, self._seen(moved, actions[:, 0])

    def _seen(self, state, reward):
        over = state.x > 1
        no = jnp.zeros_like(over)
        return Timestep({"x": state.x}, reward, over, no, over, jnp.zeros((len(over), 0), bool))

    def render(self, state, index):
        picture = np.zeros((20, 40, 3), np.uint8)
        picture[:, int(20 + 10 * np.clip(float(state.x[index]), -1.9, 1.9))] = 255
        return picture


def test_an_action_takes_several_steps_but_ends_with_the_episode():
    keyboard = KeyboardControls(Slider(), repeat=5)
    assert keyboard.action_space.names == ("left", "right", "noop")
    assert keyboard.max_steps == 20
    state, _ = keyboard.reset(jax.random.key(0), jnp.zeros((3, 1)))
    state, seen = jax.jit(keyboard.step)(jax.random.key(1), state, jnp.array([0, 1, 2]))
    np.testing.assert_allclose(state.x, [-1.5, 1.2, 0.0], rtol=1e-5)
    np.testing.assert_allclose(seen.reward, [-1.5, 1.2, 0.0], rtol=1e-5)
    assert seen.terminated.tolist() == [False, True, False]
    keys = jax.random.split(jax.random.key(1), 3)
    again, _ = keyboard.step(keys, state, jnp.array([1, 1, 1]))
    np.testing.assert_allclose(again.x[::2], [0, 1.2], atol=1e-5)


def test_a_game_is_played_by_arrow_keys():
    game = Game(playable(Slider()), color=False)
    before = game.frame()
    assert game.press("left")
    assert game.frame() != before
    assert float(game.state.x[0]) == pytest.approx(-1.5)
    assert game.press("right")
    assert game.press("right")
    assert game.over
    assert "Done!" in game.frame()
    assert max(map(len, game.frame(80, 24).split("\n"))) <= 80


def test_pictures_become_text_of_the_size_of_the_window():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (400, 600, 3)).astype(np.uint8)
    for window in ((44, 24), (200, 24), (10, 100)):
        lines = as_text(picture, False, window).split("\n")
        assert len(lines) <= window[1]
        assert {len(line) for line in lines} <= set(range(window[0] + 1))
        colored = as_text(picture, True, window)
        assert colored.count("▀") == sum(map(len, lines))
    black = as_text(np.zeros((8, 8, 3), np.uint8), False, (8, 4))
    assert set(black) == {" ", "\n"}


@pytest.mark.parametrize(
    ("name", "settings"), [("BipedalWalker", {}), ("Parkour", {"body": "wheel"})]
)
def test_bodies_have_controls(name, settings):
    environment = make(name, **settings)
    assert {"left", "right", "up", "down", "noop"} <= set(environment.controls)
    for action in environment.controls.values():
        assert len(action) == environment.action_space.size
        assert np.abs(action).max() <= 1
    assert "ansi" in playable(environment).render_modes
    with pytest.raises(SettingError, match="controls"):
        KeyboardControls(make("Pendulum"))


def test_pictures_smaller_than_the_window_are_enlarged():
    picture = np.array([[[0] * 3, [255] * 3]] * 2, np.uint8)  # a dark and a bright half
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        lines = as_text(picture, False, (8, 4)).split("\n")
        as_text(picture[:1], True, (40, 10))
    assert set(lines) == {"    @@@@"}


def test_worlds_are_given_one_key_as_environments_are_documented_to_be():
    class Windy(Slider):
        def step(self, key, state, actions):
            return super().step(key, state, actions + jax.random.normal(key, (len(actions), 1)))

    keyboard = KeyboardControls(Windy(), repeat=2)
    state, _ = keyboard.reset(jax.random.key(0), jnp.zeros((3, 1)))
    key = jax.random.key(1)
    state, seen = keyboard.step(key, state, jnp.full(3, 2))
    wind = [jax.random.normal(jax.random.fold_in(key, i), (3, 1))[:, 0] for i in (0, 1)]
    kept = np.asarray(wind[0]) <= 1  # the others have ended
    np.testing.assert_allclose(np.asarray(seen.reward)[kept], (wind[0] + wind[1])[kept], rtol=1e-5)
