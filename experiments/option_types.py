"""Types of options that several settings and commands have. Nothing here needs jax."""

from typing import Annotated

import tyro

Imports = Annotated[
    tyro.conf.UseAppendAction[tuple[str, ...]],
    tyro.conf.arg(name="import", metavar="MODULE|FILE.py"),
]
