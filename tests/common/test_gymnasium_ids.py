"""Gymnasium knows our environments once both packages are imported, and those of users."""

import subprocess
import sys

import gymnasium
import pytest

from didact.common import catalogue, gymnasium_ids
from didact.environments import SettingError, register
from didact.environments.registry import ENVIRONMENTS
from didact.environments.toys import ToyGrid

AFTERWARDS = """
assert not {"jax", "didact.environments"} & set(sys.modules)
assert gymnasium.spec("didact/brax-ant").kwargs == {"name": "brax/ant"}
assert "exec_module" not in vars(gymnasium.__loader__)
assert not any("didact" in type(finder).__module__ for finder in sys.meta_path)
"""
MADE = 'worlds = gymnasium.make("didact/ToyGrid"), gymnasium.make_vec("didact/ToyGrid", num_envs=2)'


@pytest.mark.parametrize("imports", ["didact, gymnasium", "gymnasium, didact"])
def test_both_imports_are_enough(imports):
    code = [f"import sys, {imports}", AFTERWARDS, MADE if imports.startswith("d") else ""]
    done = subprocess.run([sys.executable, "-c", "\n".join(code)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_asking_whether_gymnasium_is_installed_changes_nothing():
    asking = 'import sys, didact, importlib.util\nassert importlib.util.find_spec("gymnasium")\n'
    code = asking + "import gymnasium\n" + AFTERWARDS
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.fixture
def known(monkeypatch):
    """What is registered here is forgotten afterwards."""
    monkeypatch.setattr(ENVIRONMENTS, "_entries", dict(ENVIRONMENTS._entries))
    before = dict(gymnasium.registry)
    yield
    gymnasium.registry.clear()
    gymnasium.registry.update(before)


@pytest.mark.parametrize("name", ["Mine", "mine/a:b", "größe+1", "Mine-v3"])
def test_environments_of_users(known, name):
    register(name, ToyGrid, "my own")
    world = gymnasium.make(gymnasium_ids.gymnasium_id(name)).unwrapped
    assert world.environment.name == name


def test_names_with_the_same_id(known):
    register("a/b", ToyGrid, "one")
    with pytest.raises(SettingError, match=r"'a-b', .* gymnasium id differs from that of a/b"):
        register("a-b", ToyGrid, "other")
    assert "a-b" not in ENVIRONMENTS


def test_an_id_that_gymnasium_refuses(known):
    """It allows no version of an environment that has none; ours can still be made."""
    with pytest.warns(UserWarning, match="does not accept the id didact/ToyGrid-v1"):
        register("ToyGrid-v1", ToyGrid, "a version")
    assert ENVIRONMENTS["ToyGrid-v1"].make().task_space


class Point:
    """An entry point of another package."""

    name, attr, value = "Theirs", "make", "package:make"
    dist = None

    def load(self):
        return ToyGrid


def test_entry_points_of_other_packages(known, monkeypatch):
    """The name of a function is known before it is loaded; a module's names are not."""
    module = Point()
    module.name, module.attr = "module", ""
    points = [Point(), module]
    for file in (gymnasium_ids, catalogue):
        monkeypatch.setattr(file.importlib.metadata, "entry_points", lambda group: points)
    gymnasium_ids.register_known()
    assert "didact/Theirs" in gymnasium.registry
    assert "didact/module" not in gymnasium.registry
    monkeypatch.setattr(ENVIRONMENTS, "_loaded", False)
    assert gymnasium.make("didact/Theirs").unwrapped.environment.name == "Theirs"
