"""Policies by name: those that didact brings along, those that were imported, those of runs."""

import difflib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from didact.environments import SettingError
from didact.students.policies.cards import CARD, is_name, read_card

SHIPPED = Path(__file__).parent / "pretrained"
FOLDER_RULE = "a policy folder, or a run with a final policy"


def user_folder() -> Path:
    """Where imported policies are: `$DIDACT_POLICIES`, or didact/policies in the user's data."""
    chosen = os.environ.get("DIDACT_POLICIES")
    if chosen:
        return Path(chosen).expanduser().absolute()
    data = os.environ.get("XDG_DATA_HOME", "")
    # By the convention that variable says nothing where it is no absolute path.
    base = Path(data) if os.path.isabs(data) else Path.home() / ".local" / "share"
    return base / "didact" / "policies"


def shipped() -> dict[str, Path]:
    """The folders of the policies that didact brings along, by name."""
    return _named(SHIPPED)


def imported() -> dict[str, Path]:
    """The folders of the policies that were imported or pulled, by name."""
    return _named(user_folder())


def named_policies() -> dict[str, Path]:
    """All that have a name; what didact brings along comes first."""
    ours = shipped()
    return ours | {name: path for name, path in imported().items() if name not in ours}


def locate(policy: str | os.PathLike[str]) -> Path:
    """The policy folder that a name, a policy folder or a run folder means.

    A folder that exists is meant before a name is: `./goto-local` before `goto-local`.

    Raises:
        SettingError: there is none; near names are told.
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
        hidden = f"; it hides the policy {text!r}" if text in names else ""
        raise SettingError("policy", text, f"{FOLDER_RULE}{hidden}")
    if text in names:
        return names[text]
    if not is_name(text) or path_exists(Path.exists, folder) or not names:
        raise SettingError("policy", text, FOLDER_RULE)
    near = difflib.get_close_matches(text, list(names), n=3, cutoff=0.5) or list(names)[:8]
    raise SettingError("policy", text, f"a known name, such as {', '.join(near)}, or {FOLDER_RULE}")


def all_policies(runs: Path) -> list[dict[str, Any]]:
    """The policies there are: shipped ones, imported ones, and those below a folder of runs.

    Returns:
        For each `name` (what `load_policy` takes), `description` (one line), `source` ("shipped",
        "imported" or "run"), `folder` and `card`. What is no policy is left out.
    """
    rows = []
    for source, name, folder in _places(runs):
        try:
            card = read_card(folder)
        except SettingError:
            continue
        row = {"name": name, "description": describe(card), "source": source}
        rows.append({**row, "folder": str(folder), "card": card})
    return rows


def describe(card: dict[str, Any]) -> str:
    """One line: the card's own description, or environment and steps; and the success rates."""
    parts = [card.get("description", "").rstrip(".") or card["environment"]]
    steps = card.get("training", {}).get("steps")
    if type(steps) in (int, float):
        parts[0] += f", {steps / 1e6:.1f}M steps"
    rates = [
        f"{name} {score['sampled']:.1%}"
        for name, score in card.get("scores", {}).items()
        if type(score.get("sampled")) in (int, float)
    ]
    if rates:
        parts.append(f"success: {', '.join(rates)}")
    # Whoever wrote the card may have put anything into it; a terminal obeys some of that.
    return "".join(c if c.isprintable() else " " for c in "; ".join(parts))


def _places(runs: Path) -> Iterator[tuple[str, str, Path]]:
    ours = shipped()
    yield from (("shipped", name, folder) for name, folder in ours.items())
    yield from (("imported", n, folder) for n, folder in imported().items() if n not in ours)
    for path in sorted(runs.glob(f"**/{CARD}")):
        # Copies that a run keeps of its experts are called by numbers.
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
    """Whether a path is that; False where the system does not take the text for a path."""
    try:
        return what(path)
    except (OSError, ValueError):
        return False
