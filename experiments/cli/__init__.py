"""The command line: one module per command (`didact train`, `evaluate`, `watch`, ...).

Each module in this package defines the command of the same name, unless its name begins with "_".
The module's docstring is the command's help text, the dataclass `Options` defines its options, and
`run(options)` runs it and may return an exit code. `didact --help` reads only the docstrings, so a
command's module is imported only when the command is used.

A module may also define `options(arguments)`, which returns the dataclass for these arguments, or
an instance of it that holds the defaults.
"""

from didact.experiments.cli._dispatch import main

__all__ = ["main"]
