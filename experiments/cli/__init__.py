"""The command line: `didact train`, `evaluate`, `watch` and others, one module each.

A module here is a command of its own name, unless the name begins with "_". The module's docstring
is the command's help; its options are a dataclass `Options`, and `run(options)` does the work. What
`didact --help` needs of a command is its docstring alone, so only the chosen one is imported.

A module may also have `options(arguments)`, which gives the dataclass for these arguments, or an
instance of it whose values are the defaults.
"""

from didact.experiments.cli._dispatch import main

__all__ = ["main"]
