"""Code of the user's own, from modules and files."""

import sys

import pytest

from didact.common.extensions import import_all, without_folders
from didact.environments import SettingError, make

SOURCE = """
import dataclasses
import little_helper
from didact.environments import register, toy_grid

@dataclasses.dataclass
class Settings:
    side: "int" = little_helper.SIDE

def mine():
    return toy_grid.ToyGrid(side=Settings().side)

register({name!r}, mine, "of my own")
"""


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    """What is registered here is forgotten afterwards."""
    from didact.environments.registry import ENVIRONMENTS

    monkeypatch.setattr(ENVIRONMENTS, "_entries", dict(ENVIRONMENTS._entries))
    monkeypatch.setattr(sys, "path", list(sys.path))
    known = set(sys.modules)
    yield
    for name in set(sys.modules) - known:
        if name.startswith(("didact_import_", "own_", "little_")):
            del sys.modules[name]


def write(folder, name="own_world", registered="OwnWorld"):
    folder.mkdir(exist_ok=True)
    (folder / "little_helper.py").write_text("SIDE = 7\n")
    (folder / f"{name}.py").write_text(SOURCE.format(name=registered))


def test_a_file_is_imported_once_with_what_lies_beside_it(tmp_path, monkeypatch):
    write(tmp_path / "code")
    monkeypatch.chdir(tmp_path)
    path = str(tmp_path / "code" / "own_world.py")
    assert import_all(["code/own_world.py"]) == (path,)
    assert make("OwnWorld").name == "OwnWorld"
    monkeypatch.chdir("/")
    assert import_all([path, path]) == (path, path)  # the name is not taken a second time
    (tmp_path / "link.py").symlink_to(path)
    import_all([str(tmp_path / "link.py")])


def test_a_module_of_the_working_folder(tmp_path, monkeypatch):
    write(tmp_path / "own_package", registered="Inside")
    (tmp_path / "own_package" / "__init__.py").write_text("")
    (tmp_path / "little_helper.py").write_text("SIDE = 7\n")
    monkeypatch.chdir(tmp_path)
    assert import_all(["own_package.own_world"]) == ("own_package.own_world",)
    assert make("inside").name == "Inside"
    # As a file it is the same module.
    import_all(["own_package/own_world.py"])


def test_files_that_shadow_nothing(tmp_path, monkeypatch):
    (tmp_path / "random.py").write_text("import random\nassert hasattr(random, 'gauss')\n")
    (tmp_path / "json.py").write_text("raise RuntimeError\n")
    monkeypatch.chdir(tmp_path)
    import_all(["random.py"])


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("x = 1\ny = z", "code that can be imported (bad.py, line 2: NameError: name 'z' is not"),
        ("def f(:", "(bad.py, line 1: SyntaxError: invalid syntax"),
        ("import nowhere_at_all", "(bad.py, line 1: ModuleNotFoundError: No module named"),
        ("import sys; sys.exit('no')", "(bad.py, line 1: SystemExit: no"),
        ("raise ValueError", "(bad.py, line 1: ValueError)"),
        ("raise ValueError('one\\ntwo')", "(bad.py, line 1: ValueError: one)"),
        ("\0", "null bytes"),
        (
            "from didact.environments import register\nregister('GoTo', int, '')",
            "(bad.py, line 2: SettingError: environment is 'GoTo', but must be a name that is not",
        ),
    ],
)
def test_code_that_fails_is_one_sentence(source, sentence, tmp_path):
    path = tmp_path / "bad.py"
    path.write_text(source)
    for _ in range(2):  # also when it is tried again
        with pytest.raises(SettingError) as error:
            import_all([str(path)])
        assert str(error.value).startswith(f"--import is '{path}', but must be code that can")
        assert sentence in str(error.value)
        assert "\n" not in str(error.value)


def test_what_is_not_there(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.py").mkdir()
    for text in ("missing.py", "no/such/file.py", "folder.py", "./folder.py"):
        with pytest.raises(SettingError, match=f"--import is '{text}', .* file that exists"):
            import_all([text])
    for text in ("nowhere_at_all", "json.nowhere"):
        with pytest.raises(SettingError, match=f"--import is '{text}', .* a module that is inst"):
            import_all([text])
    for text in ("", "..", "a b", "os..path", ".relative"):
        with pytest.raises(SettingError, match="--import is "):
            import_all([text])


def test_folders_are_left_out():
    assert without_folders(["/home/me/my.py", "package.module"]) == ["my.py", "package.module"]
