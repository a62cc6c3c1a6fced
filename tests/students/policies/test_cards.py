"""Cards from anyone: one sentence each for what cannot be."""

import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest
import small_policy
from small_policy import edit

from didact.environments import SettingError
from didact.students import load_policy, save_policy
from didact.students.policies.cards import CARD, student_of

HUGE = 10**9
DEEP = "[" * 100_000 + "]" * 100_000


def refused(folder):
    with pytest.raises(SettingError) as caught:
        load_policy(folder)
    message = str(caught.value)
    assert "\n" not in message
    assert len(message) < 700 + 3 * len(str(folder))
    return message


def put(*path, value):
    """A change of a card: the value at the end of a path."""

    def change(card):
        for name in path[:-1]:
            card = card[name]
        card[path[-1]] = value

    return change


SPACE = ("observation_space", "image")
NAMES = ("action_space", "names")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put("format", value=3), ("format", "is 3", "later version")),
        (
            put("format", value=1),
            ("format", "is 1", "must be 2 (the card was written by an earlier"),
        ),
        (put("format", value=0), ("format", "is 0", "earlier version")),
        (put("format", value=True), ("format", "is True")),
        (put("format", value="1"), ("format",)),
        (put("environment", value=None), ("environment", "is None")),
        (put("environment", value=""), ("environment", "is ''")),
        (put("action_space", value=None), ("action space", "is None")),
        (put("action_space", value=["left"]), ("action space", "is ['left']")),
        (put("action_space", "type", value="integer"), ("type of actions", "is 'integer'")),
        (put(*NAMES, value=[]), ("action space", "a list of names")),
        (put(*NAMES, value="left"), ("action space", "a list of names")),
        (put(*NAMES, value=[str(i) for i in range(10**5)]), ("action_space", "at most 8192")),
        (put(*NAMES, value=["left", 5]), ("action space", "a list of names")),
        (put("network", value=[]), ("network", "is []")),
        (put("network", "depth", value=3), ("'depth'", "this version knows", "hidden")),
        (put("network", "hidden", value=HUGE), ("network.hidden", "is 1000000000", "1 to 8192")),
        (put("network", "hidden", value=0), ("network.hidden", "is 0")),
        (put("network", "hidden", value=-8), ("network.hidden", "is -8")),
        (put("network", "hidden", value=8.0), ("network.hidden", "is 8.0")),
        (put("network", "hidden", value=True), ("network.hidden", "is True")),
        (put("network", "hidden", value="8"), ("network.hidden", "is '8'")),
        (put("network", "hidden", value=None), ("network.hidden", "is None")),
        (put("network", "memory", value=-1), ("network.memory", "from 0")),
        (put("network", "memory", value=10**4000), ("network.memory",)),
        (put("network", "cell_features", value=8192), ("do not match these settings",)),
        (put("observation_space", value={}), ("observation_space",)),
        (put("observation_space", value=7), ("observation_space", "is 7")),
        (put(*SPACE, value=None), ("observation 'image'", "shape, dtype, low and high")),
        (put(*SPACE, "shape", value=[7, -7, 3]), ("'image': shape",)),
        (put(*SPACE, "shape", value=[HUGE, HUGE]), ("'image': shape", "16777216")),
        (put(*SPACE, "shape", value=[4096, 4096, 2]), ("'image': shape",)),
        (put(*SPACE, "shape", value=[1] * 40), ("'image': shape",)),
        (put(*SPACE, "shape", value=49), ("'image': shape", "is 49")),
        (put(*SPACE, "dtype", value="O"), ("'image': dtype", "is 'O'")),
        (put(*SPACE, "dtype", value="V999999999"), ("'image': dtype",)),
        (put(*SPACE, "dtype", value="builtins.print"), ("'image': dtype",)),
        (put(*SPACE, "dtype", value=3), ("'image': dtype", "is 3")),
        (put(*SPACE, "dtype", value="float32"), ("'image': shape", "whole numbers")),
        (put(*SPACE, "kind", value="odour"), ("'image'", "is 'odour'", "cells")),
        (put(*SPACE, "kind", value=None), ("'image'", "is None", "cannot be inferred")),
        (put(*SPACE, "kind", value=["cells"]), ("'image': kind", "is ['cells']")),
        (put(*SPACE, "role", value="boss"), ("'image': role", "is 'boss'")),
        (put(*SPACE, "role", value="instruction"), ("instruction 'image'",)),
        (put(*SPACE, "codes", value=[11, 6]), ("'image': shape", "one code size a channel")),
        (put(*SPACE, "codes", value=[11, 6, 0]), ("'image': codes", "is [11, 6, 0]")),
        (put(*SPACE, "codes", value=[HUGE, 6, 3]), ("'image': codes",)),
        (put(*SPACE, "codes", value=[5000, 5000, 3]), ("'image': codes",)),
        (put(*SPACE, "high", value=None), ("'image': high", "is None")),
        (put(*SPACE, "low", value=float("nan")), ("'image': low", "is nan")),
        (
            put("observation_space", "instruction", "high", value=10**12),
            ("'instruction': high", "1000000000000"),
        ),
        (
            put("observation_space", "instruction", "high", value=2**31 - 1),
            ("'instruction': high", "below 16777216"),
        ),
        (put("observation_space", "instruction", "high", value=-1), ("'instruction': high",)),
        (put("name", value="../../etc"), ("name", "is '../../etc'", "letters")),
        (put("name", value=".."), ("name", "is '..'")),
        (put("name", value=7), ("name", "is 7")),
        (put("description", value=["a"]), ("description", "a string")),
        (put("made_by", value=1), ("made_by", "is 1")),
        (put("training", value=5), ("training", "is 5")),
        (put("training", value={"settings": 5}), ("training", "is 5")),
        (put("environment_settings", value="a=1"), ("environment settings", "is 'a=1'")),
        (put("training", value={"settings": []}), ("training", "NAME=VALUE")),
        (put("training", value={"settings": {"tasks": 5}}), ("training", "NAME=VALUE")),
        (put("training", value={"settings": {"tasks": [5]}}), ("training", "NAME=VALUE")),
        (put("environment_settings", value=[1]), ("environment settings", "is [1]")),
        (put("scores", value=[]), ("scores", "is []")),
        (put("scores", value={"X": 0.5}), ("scores", "{'X': 0.5}")),
        (put("versions", value="0.1"), ("versions", "is '0.1'")),
    ],
)
def test_what_cannot_be_is_told(copy, change, words, capfd):
    sys.set_int_max_str_digits(5000)
    try:
        edit(copy, change)
    finally:
        sys.set_int_max_str_digits(4300)
    message = refused(copy)
    for word in words:
        assert word in message
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("field", ["format", "environment", "observation_space"])
def test_fields_that_must_be_there(copy, field):
    edit(copy, lambda values: values.pop(field))
    assert f"{field} in {copy / CARD} is None" in refused(copy)


def test_the_action_space_must_be_there(copy):
    edit(copy, lambda values: values.pop("action_space"))
    assert f"action_space: action space in {copy / CARD} is None" in refused(copy)


@pytest.mark.parametrize(
    "text",
    [b"", b"{", b"[]", b"null", b"7", b'"policy"', b"\xff\xfe", DEEP.encode(), b" " * 2_000_000],
    ids=["empty", "cut", "list", "null", "number", "text", "bytes", "deep", "large"],
)
def test_what_is_no_card(copy, text):
    (copy / CARD).write_bytes(text)
    message = refused(copy)
    assert CARD in message
    assert "policy card" in message


def test_what_later_versions_add_does_no_harm(copy):
    edit(copy, lambda values: values.update(licence="CC0", name="a-name", made_by="didact train"))
    assert load_policy(copy).card["licence"] == "CC0"


BOUNDS = ("action_space", "low")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (put(*BOUNDS, value=[-1.0]), ("low of actions", "is [-1.0]", "2 finite numbers")),
        (put(*BOUNDS, value=[-1.0, -2.0, 0.0]), ("low of actions", "2 finite numbers")),
        (put(*BOUNDS, value=-1.0), ("low of actions", "is -1.0")),
        (put(*BOUNDS, value=None), ("low of actions", "is None")),
        (put(*BOUNDS, value=["a", "b"]), ("low of actions", "finite numbers")),
        (put(*BOUNDS, value=[True, -1.0]), ("low of actions", "finite numbers")),
        (put(*BOUNDS, value=[float("nan"), -1.0]), ("low of actions", "nan")),
        (put(*BOUNDS, value=[float("-inf"), -1.0]), ("low of actions", "-inf")),
        (put(*BOUNDS, value=[-(10**400), -1.0]), ("low of actions", "finite numbers")),
        (put(*BOUNDS, value=[-1.0, 0.5]), ("low, high", "low < high")),
        (put(*BOUNDS, value=[-3e38, -2.0]), ("low, high", "float32 can hold")),
        (put("action_space", "high", value=[1e-60, 1e300]), ("low, high", "float32 can hold")),
        (put(*NAMES, value=["hip"]), ("low of actions", "1 finite numbers")),
        (put(*NAMES, value=None), ("action space", "a list of names")),
        (put("action_space", value={"type": "continuous"}), ("action space", "a list of names")),
        (put("action_space", "type", value="discrete"), ("do not match these settings",)),
    ],
)
@pytest.mark.filterwarnings("error")
def test_continuous_actions_that_cannot_be(joints, tmp_path, change, words):
    folder = save_policy(tmp_path / "policy", joints.card, joints.params)
    card = json.loads((folder / CARD).read_text())
    card["action_space"]["high"] = [1e38, 0.5]
    change(card)
    (folder / CARD).write_text(json.dumps(card))
    message = refused(folder)
    for word in words:
        assert word in message


@pytest.fixture(scope="module")
def joints():
    return small_policy.made(small_policy.NUMBERS, small_policy.JOINTS)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux tells peak memory")
def test_a_card_that_asks_for_everything_gets_nothing(copy):
    """Also where its manifest agrees: nothing of that size is ever made."""
    edit(copy, lambda values: values["network"].update(hidden=8192, memory=8192))
    path = copy / "params" / "manifest.json"
    manifest = json.loads(path.read_text())
    card = json.loads((copy / CARD).read_text())
    like = jax.eval_shape(student_of(card).init, jax.random.key(0)).params
    leaves = jax.tree_util.tree_leaves_with_path(like)
    arrays = {jax.tree_util.keystr(at): [*x.shape, str(x.dtype)] for at, x in leaves}
    assert set(arrays) == set(manifest["arrays"])
    path.write_text(json.dumps(manifest | {"arrays": arrays}))
    # Not `ru_maxrss`: a process starts with that of its parent.
    code = (
        "import sys\n"
        "from didact.students import load_policy\n"
        "try:\n    load_policy(sys.argv[1])\nexcept ValueError as error:\n    print(error)\n"
        "told = dict(line.split(':', 1) for line in open('/proc/self/status'))\n"
        "print(told['VmHWM'].removesuffix('kB\\n'))\n"
    )
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}
    command = [sys.executable, "-c", code, copy]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert "is '1.8 GiB', but must be at most 1 GiB of parameters" in done.stdout, done.stderr
    assert int(done.stdout.split()[-1]) < 1_000_000  # kilobytes


def test_a_manifest_that_would_fill_the_memory_is_refused_unread(copy):
    os.truncate(copy / "params" / "manifest.json", 100 << 20)
    assert "manifest.json is missing or invalid" in refused(copy)


def test_observations_without_an_element_are_refused(copy):
    edit(copy, lambda values: values["observation_space"]["image"].update(shape=[0]))
    assert refused(copy)


def test_links_that_lead_out_are_refused(copy, tmp_path):
    outside = tmp_path / "outside"
    (copy / "params").rename(outside)
    (copy / "params").symlink_to(outside)
    assert "'params'" in refused(copy)
    (copy / "params").unlink()
    outside.rename(copy / "params")
    load_policy(copy)
    secret = tmp_path / "secret"
    manifest = copy / "params" / "manifest.json"
    manifest.rename(secret)
    manifest.symlink_to(secret)
    assert "without links to other folders ('params/manifest.json' is one)" in refused(copy)
    manifest.unlink()
    secret.rename(manifest)
    (copy / "params" / "more").symlink_to(tmp_path)
    assert "'params/more'" in refused(copy)
    (copy / "params" / "more").unlink()
    (copy / CARD).rename(tmp_path / "card")
    (copy / CARD).symlink_to(tmp_path / "card")
    assert f"'{CARD}'" in refused(copy)


def test_a_policy_may_be_found_by_a_link(saved, tmp_path):
    (tmp_path / "latest").symlink_to(saved)
    assert load_policy(tmp_path / "latest").environment == "Somewhere"


def test_what_is_no_file_is_refused(copy):
    os.mkfifo(copy / "params" / "pipe")
    assert "'params/pipe'" in refused(copy)


@pytest.mark.parametrize("manifest", [DEEP, "[]", '{"files": [], "arrays": {}}', '{"files": 5}'])
def test_what_is_no_manifest(copy, manifest):
    (copy / "params" / "manifest.json").write_text(manifest)
    assert "with valid parameters" in refused(copy)


def test_whole_files_that_are_no_arrays(copy, capfd):
    """Their hashes are right, so that only reading them tells."""
    import hashlib

    path = copy / "params" / "manifest.json"
    manifest = json.loads(path.read_text())
    for name in manifest["files"]:
        (copy / "params" / name).write_bytes(b"{}")
        manifest["files"][name] = hashlib.sha256(b"{}").hexdigest()
    path.write_text(json.dumps(manifest))
    assert "its arrays cannot be read" in refused(copy)
