"""Write one report of the results of curriculum suites, also from several machines.

RESULTS are folders that `didact benchmark curriculum --suite` wrote, or their files suite.json.
Results of the same suite with the same settings are merged: their teachers are compared with each
other.
"""

import dataclasses
from pathlib import Path

import tyro


@dataclasses.dataclass(frozen=True)
class Options:
    results: tyro.conf.Positional[tuple[Path, ...]]
    """folders or files of results"""
    out: Path = Path("report")
    """folder of the page, its figures, and the summary and all seeds as CSV"""


def run(options: Options) -> None:
    """Write the files and print their paths.

    Raises:
        SettingError: there are no results, they are damaged or cannot be merged, or the folder
            cannot be written.
    """
    from didact.benchmarks.suites import comparison
    from didact.benchmarks.suites.reporting import report
    from didact.common import display
    from didact.common.errors import require
    from didact.common.files import writable

    require("RESULTS", (), options.results, "at least one folder with results")
    results = comparison.merged([comparison.read(path) for path in options.results])
    console = display.console()
    files = report.write(results, writable("--out", str(options.out)))
    for result in results:
        console.print(comparison.table(result))
    for name, path in files.items():
        console.print(f"  {name:<15} {path}", highlight=False, soft_wrap=True)
