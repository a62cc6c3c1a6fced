"""Train with many combinations of settings, given by a YAML file.

The file has base settings, lists of values in `grid` (all combinations) or `random` (samples), and
a number of seeds; see docs/sweeps.md. Each combination has a run folder. The same command continues
an interrupted sweep: finished runs are skipped, and an unfinished one is resumed.
"""

import dataclasses
import sys
from pathlib import Path

import tyro

from didact.experiments.cli._options import Importing


@dataclasses.dataclass(frozen=True)
class Options(Importing):
    file: tyro.conf.Positional[Path]
    """sweep file, in YAML or JSON"""
    out: Path | None = None
    """folder for the run folders; defaults to `out` in the file, or to runs/NAME for NAME.yaml"""
    json: bool = False
    """print the results as JSON"""


def run(options: Options) -> None:
    """Run the sweep and print a table of the results; exit with code 1 if a training failed.

    Raises:
        SettingError: the file or a setting is invalid.
    """
    from didact.common import display, strict_json
    from didact.experiments.sweeps.sweep import sweep, table

    result = sweep(options.file, options.out)
    failed = [run for run in result["runs"] if run["error"]]
    if options.json:
        print(strict_json.dumps(result, indent=1))
    else:
        console = display.console()
        console.print(table(result))
        for each in failed:
            console.print(f"{each['name']}: {each['error']}")
        console.print(f"Plot the learning curves with: didact plot {result['out']}/*/")
    if failed:
        sys.exit(1)
