"""Fix the test tasks of suite files: write their SHA-256 digests into the files.

Run `python -m didact.benchmarks.suites.fix_tests [FILE ...]` after changing the tests of a suite,
and only then; without files, for the suites of this package. Every run compares the digest.
"""

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from didact.benchmarks.suites.suite_files import read_suite
from didact.benchmarks.suites.suite_names import shipped
from didact.common.files import write_whole

_LINE = re.compile(r"^sha256:.*\n", re.MULTILINE)
_BEFORE = re.compile(r"^budgets:", re.MULTILINE)


def fix(path: Path) -> str:
    """Write the digest of the test tasks of a YAML file into the file, and return it.

    Raises:
        SettingError: the file is not a valid suite.
    """
    before = path.read_text(encoding="utf-8")
    text = _LINE.sub("", before)
    digest = read_suite(str(path), check_tests=False).digest
    line = f"\nsha256: {digest}\n"
    text = _BEFORE.sub(f"{line}\nbudgets:", text, count=1)
    text = re.sub(r"\n{3,}", "\n\n", text)
    if text != before:
        write_whole(path, text)
    return digest


def main(arguments: Sequence[str]) -> None:
    """Fix the given files, or those of this package, and print their digests."""
    for path in [Path(x) for x in arguments] or shipped().values():
        print(f"{fix(path)}  {path.name}")


if __name__ == "__main__":
    main(sys.argv[1:])
