"""Commands and benchmarks are files of their own, which are imported when they are needed."""

import json

import pytest

from didact.experiments.cli import main


def test_the_list_of_commands_imports_none_of_them(finished, here):
    """`didact --help` and the first lines of a mistake come without jax and without commands."""
    code = (
        "import sys\n"
        "from didact.__main__ import main\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    heavy = ('jax', 'flax', 'gymnasium', 'pydantic', 'didact.environments')\n"
        "    commands = [m for m in sys.modules if m.startswith('didact.experiments.cli.')]\n"
        "    print([m for m in heavy if m in sys.modules], commands, file=sys.stderr)\n"
    )
    for words in (["--help"], ["list", "--help"]):
        status, out, err = finished(*words, folder=here, code=code)
        assert status == 0
        first = ["didact.experiments.cli._numbers", "didact.experiments.cli._dispatch"]
        assert err.startswith(f"[] {first}".removesuffix("]"))
        assert "didact" in out


def test_a_command_is_one_file(tmp_path, monkeypatch, capsys, refused):
    """A module in the folder of commands, and nothing else."""
    from didact.experiments import cli

    (tmp_path / "greet.py").write_text(
        '"""Say hello.\n\nAs often as you like."""\n'
        "import dataclasses\n"
        "from didact.environments import SettingError\n"
        "@dataclasses.dataclass\n"
        "class Options:\n"
        "    times: int = 1\n"
        '    """how often"""\n'
        "def run(options):\n"
        "    if options.times < 0:\n"
        "        raise SettingError('--times', options.times, 'at least 0')\n"
        "    print('hello ' * options.times)\n"
    )
    (tmp_path / "_helper.py").write_text("raise RuntimeError\n")
    (tmp_path / "broken.py").write_text('"""Cannot be imported."""\nraise RuntimeError\n')
    monkeypatch.setattr(cli, "__path__", [*cli.__path__, str(tmp_path)])
    main(["greet", "--times", "2"])
    assert capsys.readouterr().out == "hello hello \n"
    assert refused("greet", "--times", -1) == "didact: --times is -1, but must be at least 0.\n"
    for words, told in (("--help", "Say hello."), ("greet --help", "As often as you like.")):
        with pytest.raises(SystemExit):
            main(words.split())
        out = capsys.readouterr().out
        assert told in out
        assert "helper" not in out


def test_a_benchmark_is_one_file_and_a_line(tmp_path, monkeypatch, capsys):
    from didact.benchmarks import registry

    (tmp_path / "own_counts.py").write_text(
        "import dataclasses\n"
        "from didact.benchmarks.registry import Benchmark\n"
        "@dataclasses.dataclass(frozen=True)\n"
        "class Config:\n"
        '    """Count to a number."""\n'
        "    to: int = 3\n"
        '    """the number"""\n'
        "BENCHMARK = Benchmark(Config, lambda c: {'counts': [type(c).__name__, c.to]}, str)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry.BENCHMARKS, "_entries", dict(registry.BENCHMARKS._entries))
    registry.register("counts", "own_counts", "Counts.")
    main(["benchmark", "counts", "--to", "5", "--json"])
    assert json.loads(capsys.readouterr().out) == {"counts": ["Config", 5]}
    main(["benchmark", "counts"])
    assert "'counts': ['Config', 3]" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["benchmark", "counts", "--help"])
    assert "Count to a number." in capsys.readouterr().out
    main(["list", "benchmarks"])
    assert "counts" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["throughput", "babyai", "experts", "kickstarting", "feedback"])
def test_benchmarks_have_what_the_command_needs(name):
    from didact.benchmarks.registry import BENCHMARKS, Benchmark

    found = BENCHMARKS[name].make()
    assert isinstance(found, Benchmark)
    assert found.config()
    assert found.config.__doc__


def test_a_broken_package_is_one_sentence(here, finished):
    """Everything else works."""
    about = here / "paints-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: paints\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[didact.students]\nmine = nowhere_at_all:mine\n")
    code = (
        f"import sys; sys.path.insert(0, {str(here)!r}); from didact.__main__ import main; main()"
    )
    status, out, err = finished("list", "students", folder=here, code=code)
    assert status == 0
    assert "ppo" in out
    assert err.startswith("didact: The student 'mine' of the package paints cannot be loaded (")
    assert err.count("\n") == 1
