"""The description of one entry of a registry, for `didact list KIND NAME`."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from didact.common import strict_json

TITLES = {"paper": "paper", "needs": "needs", "good": "good at", "bad": "bad at"}
SHOWN = ("name", "description", "settings", "defaults", *TITLES)


def table(row: Mapping[str, Any]) -> Table:
    """Return an entry as a table of two columns.

    Args:
        row: `name` and `description`, and any of `paper`, `needs`, `good`, `bad`, `settings` (the
            kind of each by name) and `defaults` (values by name). Other fields are shown as JSON.
    """
    made = Table(box=None, show_header=False, padding=(0, 2))
    made.add_row(Text(row["name"], "bold"), Text(row["description"]))
    for name, title in TITLES.items():
        if row.get(name):
            made.add_row(Text(title, "dim"), Text(row[name]))
    for name, value in row.items():
        if name not in SHOWN and value is not None:
            written = value if isinstance(value, str) else strict_json.dumps(value)
            made.add_row(Text(name.replace("_", " "), "dim"), Text(written))
    settings = row.get("settings")
    if settings is not None:
        made.add_row()
        made.add_row(Text("settings", "bold"), Text("" if settings else "none"))
        defaults = row.get("defaults", {})
        for name, kind in settings.items():
            usual = f", {strict_json.dumps(defaults[name])} by default" if name in defaults else ""
            made.add_row(Text(name), Text(f"{kind}{usual}"))
    return made
