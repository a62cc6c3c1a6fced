"""Speed, planner and training of the crafting world, with small stand-ins for its worlds."""

import io
import time
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from rich.console import Console

from didact.benchmarks.crafting import learning, planner, speed
from didact.benchmarks.crafting.settings import CrafterTrainingConfig
from didact.environments import SettingError
from didact.environments.crafting.layout import ACHIEVEMENTS


def test_steps_that_are_slow_make_short_calls(monkeypatch):
    """And what is compiled is not what runs."""
    monkeypatch.setattr(speed, "CALL", 0.1)
    monkeypatch.setattr(speed, "PATIENCE", 0.0)

    def slow(carry):
        def wait(number):
            time.sleep(0.03)
            return np.int32(number + 1)

        return jax.pure_callback(wait, jax.ShapeDtypeStruct((), jnp.int32), carry)

    started = time.perf_counter()
    run, seconds = speed.repeated(slow, jnp.int32(0), n=4)
    assert seconds < time.perf_counter() - started - 0.05
    assert run() in (4, 8, 12)
    quick, _ = speed.repeated(lambda carry: carry + 1, jnp.int32(0), n=4)
    assert quick() == 4 * speed.MOST_STEPS


class Counting:
    """Worlds that only count steps, and end after as many as their task says."""

    def reset(self, key, tasks):
        return jnp.stack([jnp.zeros(len(tasks)), tasks[:, 0]], 1), None

    def step(self, key, state, actions):
        state = state.at[:, 0].add(actions)
        done = state[:, 0] >= state[:, 1]
        return state, SimpleNamespace(done=done, success=done)

    def expert(self):
        return SimpleNamespace(act=lambda state: jnp.ones(len(state)))


@pytest.mark.parametrize("steps", [1, 50, 70])
def test_the_planner_takes_the_given_number_of_steps(steps):
    lengths = np.array([1, 2, 49, 50, 51, 69, 70, 71, 100])
    world: Any = Counting()
    state, alive, won, _ = planner._play(world, jnp.asarray(lengths[:, None]), steps, seed=0)
    assert state[:, 0].tolist() == np.minimum(lengths, steps).tolist()
    assert alive.tolist() == (lengths > steps).tolist()
    assert won.tolist() == (lengths <= steps).tolist()


def row(updates, episodes):
    """A row of metrics; nothing is reported if no episode ended."""
    if not episodes:
        return {"updates": updates, "episodes": 0}
    rates = dict.fromkeys(ACHIEVEMENTS, 0.5)
    return {"updates": updates, "episodes": episodes, "return": 1.0 * updates, "length": 100.0,
            "achievements": rates}  # fmt: skip


def trained(monkeypatch, tmp_path, rows):
    """Compare without training, given the metrics."""
    monkeypatch.setattr(learning, "train_or_resume", lambda settings: None)
    monkeypatch.setattr(learning, "read", lambda path: rows)
    config = CrafterTrainingConfig(seeds=2, steps=128, out=tmp_path, test_episodes=0)
    return learning.compare(config)


def test_trainings_in_whose_end_no_episode_ends(monkeypatch, tmp_path):
    rows = [row(1, 1), row(2, 3), *(row(update, 0) for update in range(3, 20))]
    result = trained(monkeypatch, tmp_path, rows)
    found = result["seeds"]["0"]
    assert found["training"]["return"] == pytest.approx((1 + 2 * 3) / 4)
    assert "last" not in found
    console = Console(file=io.StringIO(), width=160)
    console.print(learning.table(result))
    assert "all training episodes" in console.file.getvalue()
    rows.append(row(20, 2))
    assert trained(monkeypatch, tmp_path, rows)["seeds"]["1"]["last"]["return"] == 20


def test_trainings_without_an_episode_are_refused(monkeypatch, tmp_path):
    with pytest.raises(SettingError, match="--steps is 128"):
        trained(monkeypatch, tmp_path, [row(1, 0)])


def test_experts_kickstart_the_training(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(learning, "train_or_resume", seen.append)
    monkeypatch.setattr(learning, "read", lambda path: [row(1, 1)])
    learning.compare(
        CrafterTrainingConfig(
            seeds=1, steps=128, out=tmp_path, test_episodes=0, experts=("solver",)
        )
    )
    assert seen[0].experts == ("solver",)
