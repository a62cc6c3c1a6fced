"""Run the Python blocks of the documentation pages."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOT_RUN = "<!-- not run -->"
FENCE = re.compile(
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^(?P=indent)```", re.M | re.S
)


def python_blocks(page: str) -> list[tuple[int, str]]:
    """Line number and code of each Python block that is to be run."""
    blocks = []
    for match in FENCE.finditer(page):
        before = page[: match.start()]
        exempt = before.rstrip().endswith(NOT_RUN)
        if match["language"] in ("python", "py") and not exempt:
            blocks.append((before.count("\n") + 2, match["code"]))
    return blocks


def program(page: str) -> str:
    """The blocks of a page, each at its own line, so that a traceback tells where in the page."""
    lines: list[str] = []
    for number, code in python_blocks(page):
        lines += [""] * (number - 1 - len(lines)) + code.splitlines()
    return "\n".join(lines)


def run(code: str, folder: Path, compiled: Path | None = None) -> subprocess.CompletedProcess:
    """Runs code in a fresh process, where nothing stays registered; programs may stay compiled."""
    file = folder / "page.py"
    file.write_text(code)
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    if compiled is not None:
        environment["JAX_COMPILATION_CACHE_DIR"] = str(compiled)
        environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
    return subprocess.run(
        [sys.executable, file], cwd=folder, env=environment, capture_output=True, text=True
    )


DOCS = sorted(str(page.relative_to(ROOT)) for page in (ROOT / "docs").glob("*.md"))
# The pages that a newcomer reads first; what the others show is tested elsewhere, too.
FIRST = ("README.md", "CONTRIBUTING.md", "docs/extending.md")
OTHERS = [pytest.param(page, marks=pytest.mark.slow) for page in DOCS if page not in FIRST]


@pytest.mark.process
@pytest.mark.parametrize("name", [*FIRST, *OTHERS])
def test_blocks_run(name, tmp_path, compiled):
    page = ROOT / name
    if not page.exists():
        pytest.skip(f"there is no {name}")
    done = run(program(page.read_text()), tmp_path, compiled)
    assert done.returncode == 0, f"{name} (line numbers are those of the page)\n{done.stderr}"


def commands(page: str) -> list[list[str]]:
    """The words of each `didact` command of the page, without the name of the program."""
    codes = [m["code"] for m in FENCE.finditer(page) if m["language"] == "sh"]
    lines = [line for code in codes for line in code.replace("\\\n", " ").splitlines()]
    return [shlex.split(line)[1:] for line in lines if line.startswith("didact ")]


@pytest.mark.process
@pytest.mark.slow
def test_commands_of_the_page_on_writing_a_teacher_run(tmp_path, compiled):
    page = (ROOT / "docs" / "write_a_teacher.md").read_text()
    file = next(code for _, code in python_blocks(page) if code.startswith("# my_teacher.py"))
    (tmp_path / "my_teacher.py").write_text(file)
    found = commands(page)
    assert [words[0] for words in found] == ["list", "train", "picture", "benchmark"]
    for words in found:
        done = run(f"from didact.experiments.cli import main; main({words})", tmp_path, compiled)
        assert done.returncode == 0, (words, done.stderr)
    for name in ("mine/curriculum.gif", "mine/levels.png", "comparison/curves.json"):
        assert (tmp_path / "runs" / name).stat().st_size > 1000, name


def test_the_page_on_teachers_names_all_of_them_and_settings_that_exist():
    from didact import teachers
    from didact.experiments import setup
    from didact.experiments.config import TrainConfig

    page = (ROOT / "docs" / "which_teacher.md").read_text()
    for entry in teachers.registered():
        if entry.make.__module__.startswith("didact."):
            assert f"`{entry.name}`" in page, entry.name
    combined = [words for words in commands(page) if words[0] == "train"]
    assert len(combined) >= 4
    for words in combined:
        options = {"--env": "ToyGrid"} | dict(zip(words[1::2], words[2::2], strict=False))
        at = words.index("--teacher-settings")
        config = TrainConfig(
            env=options["--env"],
            teacher=options["--teacher"],
            teacher_settings=tuple(words[at + 1 :]),
        )
        setup.teacher_of(config, setup.environment_of(config))


def test_contributing_has_examples():
    assert len(python_blocks((ROOT / "CONTRIBUTING.md").read_text())) >= 4


PAGE = f"""
```python
x = 1
```
```sh
exit 1
```
{NOT_RUN}
```python
raise SystemExit(3)
```

```python
assert x == 2, "told"
```
"""


def test_a_block_that_fails_is_told_with_its_line(tmp_path):
    assert [line for line, _ in python_blocks(PAGE)] == [3, 14]
    done = run(program(PAGE), tmp_path)
    assert done.returncode == 1
    assert "line 14" in done.stderr
    assert "told" in done.stderr
    assert run(program(PAGE.replace("x == 2", "x == 1")), tmp_path).returncode == 0


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md"])
def test_what_blocks_import_is_there(name, tmp_path):
    """Also in the blocks that take too long to run."""
    text = (ROOT / name).read_text()
    codes = [m["code"] for m in FENCE.finditer(text) if m["language"] in ("python", "py")]
    lines = [line for code in codes for line in code.splitlines()]
    imports = [line for line in lines if line.startswith(("import ", "from "))]
    imports = [line for line in imports if not line.endswith("(")]
    assert len(imports) >= 4
    done = run("\n".join(imports), tmp_path)
    assert done.returncode == 0, done.stderr


PARTS = ("Included", "Left out")


def test_the_page_of_levels_names_every_environment_of_minigrid():
    import gymnasium
    import minigrid  # noqa: F401  (registers its environments)

    from didact.environments import registered

    page = (ROOT / "docs" / "levels.md").read_text()
    made, left = (page.partition(f"\n## {title}: ")[2].partition("\n## ")[0] for title in PARTS)
    ours = {entry.name for entry in registered()}
    for name in gymnasium.registry:
        if name.startswith(("BabyAI-", "MiniGrid-")):
            assert (f"`{name}`" in made) == (name in ours), name
            assert (f"`{name}`" in left) == (name not in ours), name
