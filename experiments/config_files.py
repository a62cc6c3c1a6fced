"""Config files (`--config FILE`): YAML or JSON files with any of the training settings."""

import contextlib
import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import yaml

from didact.common.errors import SettingError
from didact.common.foreign_files import read_bytes, reason
from didact.common.setting_types import kinds_of, value_of
from didact.common.strict_json import once
from didact.experiments.config import MAX_SIZE, TrainConfig, defaults_for, from_dict

_EXPONENT = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d{1,4}")


def read_file(
    path: str | Path, option: str = "--config", student: str | None = None
) -> TrainConfig:
    """Read training settings from a file; settings that it omits keep their defaults.

    The config.json of a run is such a file. Sections may be partial or missing.

    Args:
        path: path of the file; files that end in .json are parsed as JSON, others as YAML.
        option: name of the option that gave the path, for error messages.
        student: overrides the student named in the file when choosing the defaults.

    Raises:
        SettingError: the file cannot be read, or a setting in it is unknown or invalid.
    """
    values = read_values(Path(path), option)
    if Path(path).suffix != ".json":
        values = with_numbers(values, TrainConfig())
    if student is None and isinstance(values, dict):
        student = values.get("student")
    base = defaults_for(student) if isinstance(student, str) else None
    return from_dict(values, Path(path).name, base)


def read_values(path: Path, option: str) -> Any:
    """Read the values in a YAML or JSON file.

    Raises:
        SettingError: the file cannot be read.
    """
    try:
        content = read_bytes(path, MAX_SIZE)
    except (OSError, ValueError) as error:
        raise SettingError(option, str(path), f"a readable file ({reason(error)})") from None
    try:
        text = content.decode("utf-8")
        if path.suffix == ".json":
            return json.loads(text, object_pairs_hook=once)
        return yaml.load(text, Loader=_Loader)
    except Exception as error:  # malformed text can also trigger internal errors of PyYAML
        kind = "JSON" if path.suffix == ".json" else "YAML"
        raise SettingError(option, str(path), f"valid {kind} ({_why(error)})") from None


class _Loader(yaml.SafeLoader):
    """A safe YAML loader that rejects duplicate keys and aliases.

    Aliases are rejected because they let a small file expand to more than fits in memory.
    """

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.MarkedYAMLError(problem="aliases are not allowed", problem_mark=mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        seen: list[Any] = []
        for key, _ in node.value:
            if key.value in seen:
                problem = f"duplicate key {str(key.value)[:40]}"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.append(key.value)
        return super().construct_mapping(node, deep)


def with_numbers(values: Any, base: Any) -> Any:
    """Convert strings such as "1e-3" to numbers where expected; YAML 1.1 reads them as strings."""
    if not isinstance(values, dict):
        return values
    result, kinds = {}, kinds_of(type(base))
    for name, value in values.items():
        field = name.replace("-", "_") if isinstance(name, str) else name
        inner = getattr(base, field) if isinstance(field, str) and field in kinds else None
        if dataclasses.is_dataclass(inner):
            value = with_numbers(value, inner)
        elif isinstance(value, str) and _EXPONENT.fullmatch(value) and field in kinds:
            with contextlib.suppress(SettingError):
                value = value_of("", float(value), kinds[field])
        result[name] = value
    return result


def _why(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        return f"line {error.problem_mark.line + 1}: {error.problem}"
    if isinstance(error, json.JSONDecodeError):
        return f"line {error.lineno}: {error.msg}"
    return (str(error).splitlines() or [type(error).__name__])[0][:100]
