"""Damage to files: in their JSON, in their arrays, and in their bytes."""

import copy
import io
import json
import warnings
import zipfile

import numpy as np
from hypothesis import strategies as st

ODD_VALUES = [
    None, True, False, 0, -1, 1, 3, 2**31, 2**63, -(2**64), 10**30, 10**400,
    0.5, -0.0, 1e-320, 1e308, float("nan"), float("inf"), -float("inf"),
    "", " ", "0", "nan", "a=b", "..", "../../x", "/", "\0", "\x1b[31m", "[/b]", "[red]", "²",
    "é" * 300, "\ud800", "x" * 70_000, "{}", "None", "GoTo", "uniform",
    [], [[]], [None], [0], [1, 2], [-1], [10**30], ["a"], [float("nan")], [1] * 300,
    {}, {"": 0}, {"a": {"b": []}}, {"kind": "discrete"}, {"shape": [10**10], "dtype": "float32"},
]  # fmt: skip


def deep(depth):
    value = 0
    for _ in range(depth):
        value = [value]
    return value


def places(value, path=()):
    """Every place in a JSON value."""
    found = [path]
    if isinstance(value, dict):
        parts = value.items()
    else:
        parts = enumerate(value) if isinstance(value, list) else ()
    for key, part in parts:
        found += places(part, (*path, key))
    return found


@st.composite
def json_damage(draw, value, edits=3):
    """The text of a JSON value in which up to `edits` places are replaced, removed or added."""
    value = copy.deepcopy(value)
    for _ in range(draw(st.integers(1, edits))):
        path = draw(st.sampled_from(places(value)))
        if not path:
            if draw(st.integers(0, 9)) == 0:
                value = copy.deepcopy(draw(st.sampled_from([*ODD_VALUES, deep(200)])))
            continue
        part = value
        for name in path[:-1]:
            part = part[name]
        kind = draw(st.sampled_from(["replace", "replace", "replace", "remove", "add", "copy"]))
        if kind == "remove":
            del part[path[-1]]
        elif kind == "copy":
            part[path[-1]] = copy.deepcopy(value) if draw(st.booleans()) else [part[path[-1]]]
        elif kind == "add" and isinstance(part, dict):
            part[draw(st.sampled_from(["x", "", "__class__", "name", "kind"]))] = draw(odd())
        else:
            part[path[-1]] = draw(odd())
    return json.dumps(value, ensure_ascii=draw(st.booleans())).encode("utf-8", "surrogatepass")


def odd():
    made = st.sampled_from([*ODD_VALUES, deep(50)]) | st.integers() | st.floats() | st.text()
    return made.map(copy.deepcopy)  # it may be changed in turn


@st.composite
def byte_damage(draw, data):
    """Bytes that are cut, changed, repeated or mixed with others."""
    at = draw(st.integers(0, len(data)))
    to = draw(st.integers(at, len(data)))
    other = draw(
        st.binary(max_size=40)
        | st.sampled_from([b"", b"\0" * 500, b"[" * 60_000, b'{"a":' * 60_000, b"\xff\xfe", b"\n"])
    )
    return draw(st.sampled_from([data[:at], data[:at] + other + data[to:], data + data, other]))


ARRAYS = [
    np.zeros(0, np.float32), np.float64(3), np.full((3, 2), np.nan), np.full(3, np.inf),
    np.full((3, 2), 1e300), np.zeros((2, 3, 4)), np.array(["a", "b"]), np.array(True),
    np.zeros((3, 2), complex), np.arange(3), np.int64(-5), np.uint64(2**63), np.array(b"x"),
    np.array("2020-01-01", "datetime64[D]"), np.zeros(3, [("a", "f4")]), np.full((3, 0), 0.0),
]  # fmt: skip


@st.composite
def archive_damage(draw, arrays):
    """An .npz file some of whose arrays are replaced, removed, renamed or added."""
    arrays = dict(arrays)
    for _ in range(draw(st.integers(1, 3))):
        name = draw(st.sampled_from(sorted(arrays)))
        kind = draw(st.sampled_from(["replace", "remove", "rename", "add", "edit", "object"]))
        if kind == "replace":
            arrays[name] = draw(st.sampled_from(ARRAYS))
        elif kind == "remove" and len(arrays) > 1:
            del arrays[name]
        elif kind == "rename":
            arrays[draw(st.sampled_from(["x", "file", "beliefs.", "a/b", "beliefs.weights"]))] = (
                arrays.pop(name)
            )
        elif kind == "add":
            arrays[draw(st.sampled_from(["beliefs.means", "beliefs.x", "tasks", "length"]))] = draw(
                st.sampled_from(ARRAYS)
            )
        elif kind == "object":
            arrays[name] = None
        elif arrays[name] is not None and np.size(arrays[name]):
            changed = np.array(arrays[name])
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore")
                value = draw(st.sampled_from([-1, 0, 255, 2**31 - 1, np.nan, np.inf]))
                if changed.dtype.kind in "fc" or (changed.dtype.kind in "iu" and value == value):
                    changed.reshape(-1)[0] = np.float64(value).astype(changed.dtype)
            arrays[name] = changed
    return packed(arrays)


def packed(arrays):
    """The bytes of an .npz file; None stands for a pickled object."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, array in arrays.items():
            inner = io.BytesIO()
            if array is None:
                np.lib.format.write_array(inner, np.array([object], object), allow_pickle=True)
            else:
                np.lib.format.write_array(inner, np.asarray(array), allow_pickle=False)
            archive.writestr(f"{name}.npy", inner.getvalue())
    return buffer.getvalue()
