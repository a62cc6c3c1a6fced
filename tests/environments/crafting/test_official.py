"""The original package behind our observations."""

import gymnasium
import numpy as np
import pytest

from didact.environments import make
from didact.environments.adapters import OfficialGymnasium
from didact.environments.crafting import layout, official

pytestmark = pytest.mark.reference


@pytest.fixture(scope="module")
def worlds():
    pytest.importorskip("crafter")
    return OfficialGymnasium(official.ID, 2, make("Crafter-original"))


def test_observations_are_those_of_the_original_state(worlds):
    seen = worlds.reset([0, 1], [3, 4])
    for step in range(30):
        seen, reward, terminated, truncated = worlds.step([0, 1], [step % 17, 5])
        env = worlds.worlds[0].unwrapped.original
        x, y = env._player.pos
        area = np.pad(env._world._mat_map, 9)[x + 5 : x + 14, y + 6 : y + 13]
        np.testing.assert_array_equal(seen["view"][0, ..., 0], area.T)
        items = [env._player.inventory[name] for name in layout.ITEMS]
        np.testing.assert_array_equal(seen["inventory"][0], items)
        assert worlds.labels.shape == (2, 22)
        assert not terminated.any()
        assert not truncated.any()
        assert (reward <= 1).all()


def test_equal_seeds_give_equal_worlds(worlds):
    first = worlds.reset([0, 1], [7, 7])
    np.testing.assert_array_equal(first["view"][0], first["view"][1])


def test_without_the_package_the_extra_is_named(monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(official.importlib, "import_module", missing)
    with pytest.raises(gymnasium.error.DependencyNotInstalled):
        official.OriginalCrafter()
