"""Policies in files: what comes back, and what is refused."""

import io
import os
import stat
import zipfile

import numpy as np
import pytest
from small_policy import edit, files, observation

from didact.environments import SettingError
from didact.students import export_policy, import_policy, load_policy, save_policy
from didact.students.policies import archives


@pytest.fixture
def packed(saved, tmp_path):
    return export_policy(saved, tmp_path / "goer.zip")


def test_there_and_back(policy, saved, packed, home):
    folder = import_policy(packed)
    assert folder == home / "goer"
    assert files(folder) == files(saved)
    loaded = load_policy("goer")
    np.testing.assert_array_equal(loaded.act(observation())[0], policy.act(observation())[0])
    assert os.listdir(home) == ["goer"]  # no drafts
    assert folder.stat().st_mode & 0o777 == 0o777 & ~_umask()


def _umask():
    now = os.umask(0)
    os.umask(now)
    return now


def test_only_the_policy_is_packed_and_always_alike(copy, packed, tmp_path):
    (copy / "watch.gif").write_bytes(b"GIF")
    again = export_policy(copy, tmp_path / "again.zip")
    assert again.read_bytes() == packed.read_bytes()
    assert "watch.gif" not in zipfile.ZipFile(again).namelist()


def test_names(copy, packed, tmp_path, home, pretrained, policy):
    edit(copy, lambda card: card.update(name="walker"))
    told = export_policy(copy, tmp_path / "x.zip")
    assert import_policy(told).name == "walker"  # as the card says
    assert import_policy(told, "talker").name == "talker"
    for name in ("../x", "", ".hidden", "a/b", "a\\b", "/tmp/x", "x" * 101, "a b"):
        with pytest.raises(SettingError, match=r"--name is .* letters"):
            import_policy(packed, name)
    packed.rename(tmp_path / "my file.zip")
    with pytest.raises(SettingError, match="--name is 'my file'"):
        import_policy(tmp_path / "my file.zip")
    save_policy(pretrained / "ours", policy.card, policy.params)
    with pytest.raises(SettingError, match="didact ships a policy of this name"):
        import_policy(told, "ours", replace=True)
    assert sorted(os.listdir(home)) == ["talker", "walker"]


def test_nothing_is_replaced_unasked(copy, packed, tmp_path, home):
    folder = import_policy(packed)
    before = files(folder)
    edit(copy, lambda card: card.update(environment="Elsewhere"))
    other = export_policy(copy, tmp_path / "other.zip")
    with pytest.raises(SettingError, match=r"--name is 'goer', but must be a new name .use"):
        import_policy(other, "goer")
    assert files(folder) == before
    import_policy(other, "goer", replace=True)
    assert load_policy("goer").environment == "Elsewhere"
    assert os.listdir(home) == ["goer"]
    (home / "thesis").mkdir()
    (home / "thesis" / "chapter.tex").write_text("years of work")
    with pytest.raises(SettingError, match=r"nothing but a policy .*chapter\.tex"):
        import_policy(other, "thesis", replace=True)
    assert (home / "thesis" / "chapter.tex").read_text() == "years of work"
    # The same for files.
    content = packed.read_bytes()
    with pytest.raises(SettingError, match=r"file is .* a new file .use --replace to replace it"):
        export_policy(copy, packed)
    assert packed.read_bytes() == content
    assert export_policy(copy, packed, replace=True).read_bytes() == other.read_bytes()


def test_a_replacement_that_fails_leaves_what_was_there(copy, packed, tmp_path, home, monkeypatch):
    folder = import_policy(packed)
    before = files(folder)
    replace = os.replace

    def failing(source, target):
        if str(source).endswith("/policy"):
            raise OSError(28, "No space left on device")
        replace(source, target)

    monkeypatch.setattr(archives.os, "replace", failing)
    with pytest.raises(SettingError, match=r"can be written to .No space left on device"):
        import_policy(packed, replace=True)
    assert files(folder) == before
    assert os.listdir(home) == ["goer"]


def test_files_that_cannot_be_written(saved, packed, tmp_path, monkeypatch):
    for file in (packed / "x.zip", "/proc/x.zip"):  # below a file, and where nobody may write
        with pytest.raises(SettingError, match=r"file is .* a file that can be written"):
            export_policy(saved, file)
    with pytest.raises(SettingError, match=r"ends in \.zip"):
        export_policy(saved, tmp_path / "x.tar")
    (tmp_path / "folder.zip").mkdir()
    with pytest.raises(SettingError, match="a new file"):
        export_policy(saved, tmp_path / "folder.zip", replace=True)
    monkeypatch.setenv("DIDACT_POLICIES", str(packed))  # a file
    with pytest.raises(SettingError, match=r"folder of policies is .* can be written to"):
        import_policy(packed)


def rewritten(packed, change, target):
    """The file with its entries as `change` makes them of {name: content}."""
    with zipfile.ZipFile(packed) as source:
        content = {name: source.read(name) for name in source.namelist()}
    change(content)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(name, data)
    return target


def assert_refused(file, home, *words):
    around = set(os.listdir(home.parent))
    with pytest.raises(SettingError) as caught:
        import_policy(file, "new")
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    assert not home.exists() or os.listdir(home) == []
    assert set(os.listdir(home.parent)) <= around | {home.name}
    return message


@pytest.mark.parametrize(
    "name",
    [
        "../policy.json",
        "params/../../evil",
        "/etc/evil",
        "params//evil",
        "params/./evil",
        "params\\..\\evil",
        "C:/evil",
        "params/C:evil",
        "evil.py",
        "policy.json/evil",
        "params/a\nb",
        "/",
        "__MACOSX/params/x",
    ],
)
def test_names_that_lead_elsewhere(packed, tmp_path, home, name):
    file = rewritten(packed, lambda c: c.update({name: b"evil"}), tmp_path / "x.zip")
    assert_refused(file, home, "file is", "a .zip file of a policy")


@pytest.mark.parametrize("name", ["params/" + "a/" * 2000 + "x", "params/" + "é" * 150])
def test_long_paths(packed, tmp_path, home, name):
    file = rewritten(packed, lambda c: c.update({name: b"evil"}), tmp_path / "x.zip")
    assert_refused(file, home, "at most 16 folders in a path")


def test_pipes_and_devices(tmp_path, home):
    os.mkfifo(tmp_path / "x.zip")
    assert_refused(tmp_path / "x.zip", home, "not a regular file")
    (tmp_path / "y.zip").symlink_to("/dev/zero")
    assert_refused(tmp_path / "y.zip", home, "not a regular file")


def test_no_name(packed, tmp_path, home):
    with zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("params/x", b"")
        archive.infolist()[-1].filename = ""
    assert_refused(packed, home, "(found '')")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFDIR])
def test_what_is_no_plain_file(packed, tmp_path, home, kind):
    info = zipfile.ZipInfo("params/link")
    info.external_attr = (kind | 0o777) << 16
    file = rewritten(packed, lambda content: None, tmp_path / "x.zip")
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr(info, "/etc/passwd")
    assert_refused(file, home, "of regular files ('params/link' is not)")


def test_too_much(packed, tmp_path, home, monkeypatch):
    monkeypatch.setattr(archives, "MAX_SIZE", 1 << 22)
    bomb = rewritten(packed, lambda c: c.update({"params/x": bytes(1 << 23)}), tmp_path / "b.zip")
    assert bomb.stat().st_size < 1 << 20
    assert_refused(bomb, home, "of at most 0.00390625 GiB")
    # A size that lies: the file says less than is in it.
    content = bytearray(bomb.read_bytes())
    real = (1 << 23).to_bytes(4, "little")
    assert content.count(real) >= 2
    bomb.write_bytes(content.replace(real, (1000).to_bytes(4, "little")))
    assert_refused(bomb, home, "intact")
    monkeypatch.setattr(archives, "MAX_FILES", 50)
    many = {f"params/{i}": b"" for i in range(60)}
    file = rewritten(packed, lambda c: c.update(many), tmp_path / "many.zip")
    assert_refused(file, home, "of at most 50 files")


def test_the_same_name_twice(packed, tmp_path, home):
    file = rewritten(packed, lambda c: c.update({"Params/../x": b""}), tmp_path / "a.zip")
    assert_refused(file, home)
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(packed, "a") as archive:
        archive.writestr("policy.json", "{}")
    assert_refused(packed, home, "twice")


def test_other_packing_and_encryption(packed, tmp_path, home):
    with zipfile.ZipFile(packed) as source, zipfile.ZipFile(tmp_path / "x.zip", "w") as target:
        for name in source.namelist():
            target.writestr(name, source.read(name), compress_type=zipfile.ZIP_LZMA)
    assert_refused(tmp_path / "x.zip", home, "stored or deflated")
    content = bytearray(packed.read_bytes())
    at = content.index(b"PK\x01\x02")
    content[at + 8] |= 1
    (tmp_path / "y.zip").write_bytes(content)
    assert_refused(tmp_path / "y.zip", home, "not encrypted")


def test_a_file_below_a_file(packed, tmp_path, home):
    file = rewritten(
        packed, lambda c: c.update({"params/manifest.json/x": b""}), tmp_path / "x.zip"
    )
    assert_refused(file, home, "intact")


def test_what_is_no_policy(packed, tmp_path, home):
    empty = io.BytesIO()
    zipfile.ZipFile(empty, "w").close()
    cut = packed.read_bytes()
    for number, content in enumerate((b"", b"hello", cut[: len(cut) // 2], empty.getvalue())):
        path = tmp_path / f"{number}.zip"
        path.write_bytes(content)
        assert_refused(path, home)
    assert_refused(tmp_path / "missing.zip", home, "No such file")
    assert_refused(tmp_path, home, "a .zip file of a policy")
    without = rewritten(packed, lambda c: c.pop("policy.json"), tmp_path / "x.zip")
    assert_refused(without, home, "policy.json")
    other = rewritten(packed, lambda c: c.pop("params/manifest.json"), tmp_path / "y.zip")
    told = assert_refused(other, home, "with valid parameters")
    assert ".draft" not in told
    broken = rewritten(packed, lambda c: c.update({"policy.json": b"{}"}), tmp_path / "z.zip")
    told = assert_refused(broken, home, "format in z/policy.json is None")


def test_every_changed_byte_is_noticed(packed, tmp_path, home):
    """Or does no harm: what was imported is then the same, byte by byte."""
    content = packed.read_bytes()
    original = files(import_policy(packed, "first"))
    rng = np.random.default_rng(0)
    noticed = 0
    for number, at in enumerate(rng.integers(0, len(content), 40)):
        changed = bytearray(content)
        changed[at] ^= 1 << int(rng.integers(8))
        file = tmp_path / "changed.zip"
        file.write_bytes(changed)
        try:
            folder = import_policy(file, f"n{number}")
        except SettingError:
            noticed += 1
        else:
            assert files(folder) == original
    assert noticed > 20
