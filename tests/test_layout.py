"""How the house is laid: who imports whom, and what no file does."""

import ast
import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from didact.environments import compiler_hints
from didact.environments.feedback import messages, student_model, wordings, wrapper
from didact.environments.grid import cells
from didact.environments.grid.solver import planner
from didact.environments.language import (
    grammar,
    paraphrase_pool,
    paraphrases,
    ragged_tokens,
    sentence_embeddings,
    templates,
    vocabulary,
)

ROOT = Path(__file__).parent.parent
# Which folders each folder may import from.
ALLOWED = {
    "common": {"common"},
    "environments": {"common", "environments"},
    "teachers": {"common", "environments", "teachers"},
    "students": {"common", "environments", "students"},
    "experiments": {"common", "environments", "teachers", "students", "experiments"},
    "benchmarks": {"common", "environments", "teachers", "students", "experiments", "benchmarks"},
}
# The command line runs the benchmarks. It may import them inside a function, so that nothing
# else in `experiments` comes to need them.
LAZY = {("experiments", "benchmarks")}
# What of `didact` itself anyone may use; the rest of its face leads to folders.
FACE = {"__version__"}
PICKLERS = {"pickle", "cloudpickle", "dill", "joblib", "marshal", "shelve"}
LONGEST = 400
GRID = "didact.environments.grid"
# Usable by any environment, wherever they lie.
FREE = (
    *(
        vocabulary,
        grammar,
        templates,
        paraphrase_pool,
        paraphrases,
        ragged_tokens,
        sentence_embeddings,
    ),
    *(wrapper, student_model, wordings, messages, compiler_hints),
)


def files() -> list[Path]:
    return sorted(path for folder in ALLOWED for path in (ROOT / folder).rglob("*.py"))


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(["didact", *parts[: -1 if parts[-1] == "__init__" else None]])


def imports(tree: ast.Module, package: str) -> Iterator[tuple[str, bool, int]]:
    """Every imported name in full, whether it is inside a function, and its line."""
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) in inside, node.lineno
        elif isinstance(node, ast.ImportFrom):
            module = node.module or ""
            if node.level:
                base = package.split(".")[: len(package.split(".")) - node.level + 1]
                module = ".".join([*base, *([module] if module else [])])
            for alias in node.names:
                yield f"{module}.{alias.name}", id(node) in inside, node.lineno


def upward_imports(source: str, folder: str, package: str = "didact") -> list[str]:
    """Imports that a file of `folder` may not have, each as `line N: name`."""
    found = []
    for name, lazy, line in imports(ast.parse(source), package):
        first, *rest = name.split(".")
        if first in ALLOWED:
            found.append(f"line {line}: {name} (import didact.{first})")
        elif first == "didact" and rest:
            target = rest[0]
            fine = target in FACE or target in ALLOWED[folder]
            if not fine and not (lazy and (folder, target) in LAZY):
                found.append(f"line {line}: {name}")
    return found


def unsafe_calls(source: str) -> list[str]:
    """Where a file pickles, or evaluates text as a program."""
    found = []
    tree = ast.parse(source)
    for name, _, line in imports(tree, "didact"):
        if name.split(".")[0] in PICKLERS:
            found.append(f"line {line}: {name}")
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        function = node.func
        attribute = isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name)
        if isinstance(function, ast.Name) and function.id in ("eval", "exec", "compile"):
            found.append(f"line {node.lineno}: {function.id}")
        if attribute and function.value.id == "builtins" and function.attr in ("eval", "exec"):
            found.append(f"line {node.lineno}: builtins.{function.attr}")
        for keyword in node.keywords:
            off = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
            if keyword.arg == "allow_pickle" and not off:
                found.append(f"line {node.lineno}: allow_pickle")
    return found


def markup(source: str) -> list[str]:
    """Where a file makes a console, or text, that interprets markup: see `common/display.py`."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call):
            function = node.func
            name = getattr(function, "attr", getattr(function, "id", ""))
            if name in ("Console", "TextColumn", "from_markup", "from_ansi", "render_markup"):
                found.append(f"line {node.lineno}: {name}")
    return found


def undocumented(name: str) -> list[str]:
    """The functions and classes that a module exports without a docstring of their own."""
    module = importlib.import_module(name)
    return [
        f"{name}.{export}"
        for export in getattr(module, "__all__", [])
        for value in [getattr(module, export)]
        if (inspect.isclass(value) or inspect.isroutine(value)) and not own_docstring(value)
    ]


def own_docstring(value: object) -> str | None:
    docstring = getattr(value, "__doc__", None)
    generated = f"{getattr(value, '__name__', '')}("  # by dataclass and NamedTuple
    return None if not docstring or docstring.startswith(generated) else docstring


def faults(find: Callable[[Path], list[str]]) -> dict[str, list[str]]:
    """What a rule finds, by file."""
    found = {str(path.relative_to(ROOT)): find(path) for path in files()}
    return {name: lines for name, lines in found.items() if lines}


def test_imports_run_one_way():
    def find(path):
        module = module_of(path)
        package = module if path.name == "__init__.py" else module.rpartition(".")[0]
        return upward_imports(path.read_text(), path.relative_to(ROOT).parts[0], package)

    assert faults(find) == {}


def test_nothing_is_pickled_or_evaluated():
    assert faults(lambda path: unsafe_calls(path.read_text())) == {}


def test_text_of_others_is_never_markup():
    assert faults(lambda path: markup(path.read_text())) == {}


def test_markup_is_found():
    assert markup("import rich.console\nrich.console.Console(stderr=True)")
    assert markup("from rich.text import Text\nText.from_markup(error)")
    assert not markup("from didact.common import display\ndisplay.console().print(error)")


def test_a_file_is_read_in_one_sitting():
    assert faults(lambda path: path.read_text().splitlines()[LONGEST:]) == {}


def test_exports_have_docstrings():
    def find(path):
        source = path.read_text()
        missing = [] if ast.get_docstring(ast.parse(source)) else ["the file has no docstring"]
        return missing + (undocumented(module_of(path)) if "__all__" in source else [])

    assert faults(find) == {}


def test_every_folder_is_looked_at():
    assert {path.relative_to(ROOT).parts[0] for path in files()} == set(ALLOWED)


@pytest.mark.parametrize(
    ("folder", "source"),
    [
        ("environments", "from didact.teachers import uniform"),
        ("environments", "import didact.students.base"),
        ("environments", "from didact import students"),
        ("environments", "from didact import load_policy"),
        ("environments", "def f():\n    from didact.teachers import uniform"),
        ("environments", "if TYPE_CHECKING:\n    import didact.experiments"),
        ("environments", "from ...teachers import base"),
        ("teachers", "from didact.students import base"),
        ("teachers", "from .. import students"),
        ("students", "from didact.teachers.base import Teacher"),
        ("students", "from didact.experiments import loop"),
        ("experiments", "from didact.benchmarks import throughput"),
        ("benchmarks", "import teachers.base"),
    ],
)
def test_an_upward_import_is_found(folder, source):
    package = "didact.environments.grid" if "..." in source else f"didact.{folder}"
    assert len(upward_imports(source, folder, package)) == 1


@pytest.mark.parametrize(
    ("folder", "source"),
    [
        ("environments", "import jax\nfrom didact import __version__"),
        ("environments", "from .spaces import Box\nfrom . import base"),
        ("teachers", "from didact.environments.task_spaces import Box"),
        ("experiments", "def f():\n    from didact.benchmarks import throughput"),
        ("benchmarks", "import didact.experiments.cli"),
    ],
)
def test_a_downward_import_is_fine(folder, source):
    assert upward_imports(source, folder, f"didact.{folder}") == []


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from cloudpickle import dumps",
        "x = eval('1')",
        "import builtins\nbuiltins.exec('x = 1')",
        "numpy.load(file, allow_pickle=True)",
    ],
)
def test_an_unsafe_call_is_found(source):
    assert len(unsafe_calls(source)) == 1


def test_a_safe_call_is_fine():
    source = "import re\nre.compile('x')\nlower(x).compile()\nnumpy.load(f, allow_pickle=False)"
    assert unsafe_calls(source) == []


def test_a_missing_docstring_is_found(tmp_path, monkeypatch):
    (tmp_path / "bare_module.py").write_text(
        "import dataclasses\n"
        "from typing import NamedTuple\n"
        "__all__ = ['A', 'B', 'C', 'd', 'e', 'F']\n"
        "@dataclasses.dataclass\nclass A:\n    x: int\n"
        "class B(NamedTuple):\n    x: int\n"
        "class C:\n    pass\n"
        "def d():\n    pass\n"
        "def e():\n    'Told.'\n"
        "F = 3\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert undocumented("bare_module") == [f"bare_module.{name}" for name in "ABCd"]


WORLDS = {module_of(path): path for path in sorted((ROOT / "environments").rglob("*.py"))}


def imported(name: str) -> set[str]:
    """The modules of `environments` that a module imports, also inside functions."""
    path = WORLDS[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for full, _, _ in imports(ast.parse(path.read_text()), package):
        while full not in WORLDS and "." in full:
            full = full.rpartition(".")[0]
        if full in WORLDS:
            found.add(full)
    return found


@pytest.mark.parametrize("module", FREE, ids=lambda module: module.__name__.rpartition(".")[2])
def test_language_and_feedback_need_no_grid(module):
    free, todo = {m.__name__ for m in FREE}, [module.__name__]
    seen = set(todo)
    while todo:
        for name in imported(todo.pop()) - seen:
            assert name in free or not name.startswith(GRID), name
            seen.add(name)
            todo.append(name)


def test_an_import_of_the_grid_is_found():
    assert cells.__name__ in imported(planner.__name__)
    assert vocabulary.__name__ in imported(cells.__name__)


@pytest.mark.parametrize("folder", ["students", "teachers", "experiments"])
def test_what_is_for_any_world_asks_no_grid(folder):
    for path in sorted((ROOT / folder).rglob("*.py")):
        source = path.read_text()
        for name, _, line in imports(ast.parse(source), module_of(path)):
            assert not name.startswith(GRID), f"{path}, line {line}: {name}"
        assert "GridWorld" not in source, path


def test_nobody_asks_whether_a_world_is_a_grid():
    grid = ROOT / "environments" / "grid"
    for folder in ("environments", "students", "teachers", "experiments", "benchmarks"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            asks = re.search(r"isinstance\([^)]*GridWorld", path.read_text())
            assert path.is_relative_to(grid) or not asks, path
