"""Lookup of policies by name: shipped with didact, imported by the user, or saved by runs."""

import difflib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from didact.common.errors import SettingError
from didact.common.files import home_folder
from didact.common.foreign_files import read_bytes
from didact.students.policies.names import CARD, CARD_BYTES, FORMAT, is_name

SHIPPED = Path(__file__).parent / "pretrained"
FOLDER_RULE = "a policy folder, or a run with a final policy"


def user_folder() -> Path:
    """Return the folder of imported policies.

    It is `$DIDACT_POLICIES` if set, else didact/policies in the user's data folder.

    Raises:
        SettingError: the variable is not set, and the user has no home folder.
    """
    chosen = os.environ.get("DIDACT_POLICIES")
    if chosen:
        # `os.path.expanduser` keeps a "~" without a home folder; `Path.expanduser` raises.
        return Path(os.path.expanduser(chosen)).absolute()
    data = os.environ.get("XDG_DATA_HOME", "")
    # The XDG specification says to ignore relative paths.
    if os.path.isabs(data):
        return Path(data) / "didact" / "policies"
    home = home_folder()
    if home is None:
        allowed = "set to a folder for imported policies, since this user has no home folder"
        raise SettingError("DIDACT_POLICIES", chosen, allowed)
    return home / ".local" / "share" / "didact" / "policies"


def shipped() -> dict[str, Path]:
    """Return the folders of the policies shipped with didact, by name."""
    return _named(SHIPPED)


def imported() -> dict[str, Path]:
    """Return the folders of imported and pulled policies, by name."""
    try:
        return _named(user_folder())
    except SettingError:  # there is no such folder
        return {}


def named_policies() -> dict[str, Path]:
    """Return the folders of all named policies; shipped ones take precedence."""
    ours = shipped()
    return ours | {name: path for name, path in imported().items() if name not in ours}


def locate(policy: str | os.PathLike[str]) -> Path:
    """Find the policy folder for a name, a policy folder or a run folder.

    An existing folder takes precedence over a policy of the same name.

    Raises:
        SettingError: no policy was found; the error suggests similar names.
    """
    text = os.fspath(policy)
    if not text:
        raise SettingError("policy", text, f"the name of a policy, or {FOLDER_RULE}")
    folder = Path(text)
    names = named_policies()
    if path_exists(Path.is_dir, folder):
        for found in (folder, folder / "policy"):
            if path_exists(Path.is_file, found / CARD):
                return found
        if path_exists(Path.is_dir, folder / "checkpoints"):
            more = f"finish this run with: didact train --resume {text}"
            raise SettingError("policy", text, f"{FOLDER_RULE}; {more}")
        hidden = f"; it hides the policy {text!r}" if text in names else ""
        raise SettingError("policy", text, f"{FOLDER_RULE}{hidden}")
    if text in names:
        return names[text]
    if not is_name(text) or path_exists(Path.exists, folder) or not names:
        raise SettingError("policy", text, FOLDER_RULE)
    near = difflib.get_close_matches(text, list(names), n=3, cutoff=0.5) or list(names)[:8]
    raise SettingError("policy", text, f"a known name, such as {', '.join(near)}, or {FOLDER_RULE}")


def all_policies(runs: Path) -> list[dict[str, Any]]:
    """List all policies: shipped, imported, and those below a folder of runs.

    Returns:
        A dictionary for each policy with `name` (an argument for `load_policy`), `description` (one
        line), `source` ("shipped", "imported" or "run"), `folder` and `card`. Folders with an
        invalid card are left out.
    """
    from didact.students.policies.cards import read_card

    rows = []
    for source, name, folder in _places(runs):
        try:
            card = read_card(folder)
        except SettingError:
            continue
        row = {"name": name, "description": describe(card), "source": source}
        rows.append({**row, "folder": str(folder), "card": card})
    return rows


def policy_descriptions(runs: Path) -> list[dict[str, str]]:
    """Return `name` and `description` of the same policies, without importing JAX.

    Cards are not checked in full, so some of these policies may be invalid.
    """
    rows = []
    for _, name, folder in _places(runs):
        path = folder / CARD
        try:
            card = json.loads(read_bytes(path, CARD_BYTES).decode())
            if card["format"] == FORMAT:
                rows.append({"name": name, "description": describe(card)})
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            continue
    return rows


def describe(card: dict[str, Any]) -> str:
    """Describe a policy in one line: its description or environment, steps, and success rates."""
    parts = [card.get("description", "").rstrip(".") or card["environment"]]
    steps = _finite(card.get("training", {}).get("steps"))
    if steps is not None:
        parts[0] += f", {steps / 1e6:.1f}M steps"
    scores = card.get("scores", {}).items()
    sampled = {name: _finite(score.get("sampled")) for name, score in scores}
    rates = [f"{name} {rate:.1%}" for name, rate in sampled.items() if rate is not None]
    if rates:
        parts.append(f"success: {', '.join(rates)}")
    # Cards are untrusted: drop control characters, which could reach a terminal.
    return "".join(c if c.isprintable() else " " for c in "; ".join(parts))


def _finite(value: Any) -> float | None:
    """Return a number on a card; None if it is none, or too large to be one of ours."""
    return float(value) if type(value) in (int, float) and abs(value) < 1e15 else None


def _places(runs: Path) -> Iterator[tuple[str, str, Path]]:
    ours = shipped()
    yield from (("shipped", name, folder) for name, folder in ours.items())
    yield from (("imported", n, folder) for n, folder in imported().items() if n not in ours)
    for path in sorted(runs.glob(f"**/{CARD}")):
        # Skip the copies of experts that a run keeps in numbered folders.
        if path.parent.parent.name == "experts" and path.parent.name.isdecimal():
            continue
        yield "run", str(path.parent), path.parent


def _named(folder: Path) -> dict[str, Path]:
    try:
        paths = sorted(path for path in folder.iterdir() if is_name(path.name))
        return {path.name: path for path in paths if (path / CARD).is_file()}
    except OSError:
        return {}


def path_exists(what: Any, path: Path) -> bool:
    """Whether a check such as `Path.is_dir` holds; False if the system rejects the path."""
    try:
        return what(path)
    except (OSError, ValueError):
        return False
