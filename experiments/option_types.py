"""Option types shared by several settings and commands. This module does not import JAX."""

from typing import Annotated

import tyro

Imports = Annotated[
    tyro.conf.UseAppendAction[tuple[str, ...]],
    tyro.conf.arg(name="import", metavar="MODULE|FILE.py"),
]
