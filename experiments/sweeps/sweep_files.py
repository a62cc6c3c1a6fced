"""Sweep files: settings that several trainings share, and settings to vary."""

import hashlib
import itertools
import json
import math
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple, get_args

import numpy as np

from didact.common.errors import SettingError
from didact.common.registry import suggest
from didact.common.setting_types import Range, Seed, shown, value_of
from didact.common.settings import flat_kinds, nested
from didact.experiments.config import TrainConfig, checked, defaults_for, from_dict
from didact.experiments.config_files import read_values, with_numbers

PARTS = ("base", "grid", "random", "samples", "sample_seed", "seeds", "out")
MOST = 10_000  # combinations
LARGEST = 2**53  # whole number that is drawn, in absolute terms


class Combination(NamedTuple):
    """One training of a sweep."""

    name: str  # of its run folder
    varied: dict[str, Any]  # the settings that the sweep varies, by dotted name
    config: TrainConfig  # without the run folder


class Sweep(NamedTuple):
    """The contents of a sweep file."""

    out: Path
    combinations: list[Combination]


class Interval(NamedTuple):
    """A range of numbers to sample from; `log` samples their logarithm uniformly."""

    low: float
    high: float
    log: bool


def read_sweep(path: Path) -> Sweep:
    """Read a sweep file, in YAML or JSON.

    It is a mapping with the parts

    - `base`: settings of all trainings;
    - `grid`: lists of values by setting; every combination of them is a training;
    - `random`: lists of values, or ranges {low, high, log}, by setting; each of `samples` trainings
      draws one value of each. With a grid, every combination is trained with every sample;
    - `samples` and `sample_seed`: a larger number of samples keeps the first ones;
    - `seeds`: the number of seeds of each training, which run side by side;
    - `out`: the folder of the runs, by default runs/NAME for NAME.yaml.

    Raises:
        SettingError: the file cannot be read, or something in it is unknown or invalid.
    """
    values = read_values(path, "FILE")
    if not isinstance(values, dict):
        raise SettingError("FILE", str(path), f"a file with the parts {', '.join(PARTS)}")
    for name in values:
        if name not in PARTS:
            raise suggest(f"part of {path.name}", str(shown(name)), list(PARTS))
    base = _settings(values.get("base"), "base", _is_value)
    grid = _lists(values.get("grid"), "grid")
    ranges = _lists(values.get("random"), "random")
    twice = [name for name in ranges if name in grid]
    if twice:
        raise SettingError("random", twice[0], "a setting that is not in grid")
    if not grid and not ranges:
        raise SettingError("grid", shown(values.get("grid")), "a mapping of settings to lists")
    if "seeds" in values:
        if any("num_seeds" in part for part in (base, grid, ranges)):
            raise SettingError("num_seeds", values["seeds"], "omitted with seeds")
        base["num_seeds"] = values["seeds"]
    samples = _samples(ranges, values)
    if math.prod(map(len, grid.values())) * len(samples) > MOST:
        raise SettingError("FILE", str(path), f"a file with at most {MOST:,} combinations")
    choices = itertools.product(*grid.values())
    chosen = (dict(zip(grid, choice, strict=True)) for choice in choices)
    every = [_combination(base, one | drawn, path.name) for one in chosen for drawn in samples]
    out = value_of("out", values.get("out", str(Path("runs") / path.stem)), str)
    return Sweep(Path(out), list({each.name: each for each in every}.values()))


def _combination(base: dict[str, Any], varied: dict[str, Any], source: str) -> Combination:
    together = base | varied
    for name in together:
        for outer in _prefixes(name):
            if outer in together:
                raise SettingError(outer, shown(together[outer]), "a mapping of settings")
    values = with_numbers(nested(together), TrainConfig())
    student = values.get("student")
    usual = defaults_for(student) if isinstance(student, str) else None
    config = checked(from_dict(values, source, usual))
    varied = {name: _at(values, name) for name in varied}
    return Combination(_folder_name(varied), varied, config)


def _flat(
    values: Any, part: str, is_value: Callable[[Any], bool], prefix: str = ""
) -> Iterator[tuple[str, Any]]:
    """Yield settings by dotted name, in the spelling of Python."""
    if values is None and not prefix:
        return
    if not isinstance(values, Mapping) or not all(isinstance(name, str) for name in values):
        raise SettingError(f"{part} {prefix}".strip(), shown(values), "a mapping of settings")
    for key, value in values.items():
        name = prefix + key.replace("-", "_")
        if name == "run":
            raise SettingError(f"setting in {part}", name, "omitted: a sweep names its folders")
        if is_value(value):
            yield name, value
        else:
            yield from _flat(value, part, is_value, f"{name}.")


def _settings(values: Any, part: str, is_value: Callable[[Any], bool]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for name, value in _flat(values, part, is_value):
        if name in result:
            raise SettingError(f"setting in {part}", name, "given once")
        result[name] = value
    return result


def _is_value(value: Any) -> bool:
    return not isinstance(value, Mapping)


def _lists(values: Any, part: str) -> dict[str, Any]:
    """Return the lists and, in `random`, the intervals of settings by dotted name."""

    def is_interval(value: Any) -> bool:
        return part == "random" and isinstance(value, Mapping) and "low" in value

    result = _settings(values, part, lambda x: _is_value(x) or is_interval(x))
    for name, value in result.items():
        if is_interval(value):
            result[name] = _interval(f"{part} {name}", value)
        elif not isinstance(value, list) or not value:
            more = ", or {low, high, log}" if part == "random" else ""
            raise SettingError(f"{part} {name}", shown(value), f"a list of values{more}")
    return result


def _interval(setting: str, values: Mapping[str, Any]) -> Interval:
    for name in values:
        if name not in Interval._fields:
            raise suggest(setting, str(shown(name)), list(Interval._fields))
    low, high = (_number(f"{setting}.{name}", values.get(name)) for name in ("low", "high"))
    log = value_of(f"{setting}.log", values.get("log", False), bool)
    if low > high:
        raise SettingError(f"{setting}.low", low, f"at most high, {high:g}")
    if log and low <= 0:
        raise SettingError(f"{setting}.low", low, "above 0 with log")
    return Interval(low, high, log)


def _number(setting: str, value: Any) -> float:
    if isinstance(value, str):  # YAML reads 1e-3 as a text
        try:
            value = float(value)
        except ValueError:
            raise SettingError(setting, shown(value), "a number") from None
    return value_of(setting, value, float)


def _samples(ranges: dict[str, Any], values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Draw the random settings of all samples."""
    if not ranges:
        for name in ("samples", "sample_seed"):
            if name in values:
                raise SettingError(name, shown(values[name]), "omitted without random")
        return [{}]
    count = value_of("samples", values.get("samples"), Annotated[int, Range(1, MOST)])
    seed = value_of("sample_seed", values.get("sample_seed", 0), Seed)
    kinds = flat_kinds(TrainConfig())
    for name, choice in ranges.items():
        if isinstance(choice, Interval) and _is_whole(kinds.get(name)):
            _check_whole(f"random {name}", choice, kinds[name])

    def drawn(name: str, number: int) -> Any:
        # One generator for each value, so that other settings and samples do not change it.
        generator = np.random.default_rng([seed, number, zlib.crc32(name.encode())])
        choice = ranges[name]
        if isinstance(choice, list):
            return choice[int(generator.integers(len(choice)))]
        return _drawn(choice, generator, _is_whole(kinds.get(name)))

    return [{name: drawn(name, number) for name in ranges} for number in range(count)]


def _check_whole(setting: str, interval: Interval, kind: Any) -> None:
    """Check the ends of an interval of whole numbers by the bounds of the setting."""
    low, high = math.ceil(interval.low), math.floor(interval.high)
    if low > high:
        ends = {"low": interval.low, "high": interval.high}
        raise SettingError(setting, ends, "a range that contains a whole number")
    for name, end in (("low", low), ("high", high)):
        value_of(f"{setting}.{name}", end, kind)
        value_of(f"{setting}.{name}", end, Annotated[int, Range(-LARGEST, LARGEST)])


def _drawn(interval: Interval, generator: np.random.Generator, whole: bool) -> float | int:
    low, high, log = interval
    if whole and not log:
        return int(generator.integers(math.ceil(low), math.floor(high), endpoint=True))
    u = generator.uniform()
    value = math.exp(math.log(low) + u * math.log(high / low)) if log else low + u * (high - low)
    if whole:
        return min(max(round(value), math.ceil(low)), math.floor(high))
    return min(max(float(f"{value:.6g}"), low), high)


def _is_whole(kind: Any) -> bool:
    return (get_args(kind) or (kind,))[0] is int


def _prefixes(name: str) -> list[str]:
    parts = name.split(".")
    return [".".join(parts[:n]) for n in range(1, len(parts))]


def _at(values: Any, name: str) -> Any:
    for part in name.split("."):
        values = values[part]
    return values


def _folder_name(varied: dict[str, Any]) -> str:
    """Return a name that no other combination has, with letters, digits, '.', '-' and '_' only."""
    text = "_".join(f"{name.rpartition('.')[2]}-{value}" for name, value in varied.items())
    text = re.sub("[^A-Za-z0-9._]+", "-", text)[:80].strip("-._")
    whole = json.dumps(varied, sort_keys=True, default=str)
    return f"{text}-{hashlib.sha256(whole.encode()).hexdigest()[:8]}"
