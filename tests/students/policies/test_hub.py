"""Policies on the hub, played by a module of the same face."""

import fnmatch
import os
import shutil
import sys
import types
from pathlib import Path

import pytest
from small_policy import edit, files

from didact.environments import SettingError
from didact.students import load_policy, pull_policy, push_policy
from didact.students.policies import hub


class RepositoryNotFoundError(Exception):
    pass


class HfHubHTTPError(Exception):
    def __init__(self, message, status):
        super().__init__(message)
        self.response = types.SimpleNamespace(status_code=status)


class OfflineModeIsEnabled(ConnectionError):
    pass


class LocalEntryNotFoundError(FileNotFoundError):
    pass


class ConnectError(Exception):
    """As of the library that carries requests."""


@pytest.fixture
def shelf(tmp_path, monkeypatch):
    """The hub: a folder for each repository. Patterns and deletions are those it documents."""
    place = tmp_path / "shelf"
    place.mkdir()
    told = types.SimpleNamespace(place=place, token="secret", failure=None, asked=[])

    def ask(name, **arguments):
        told.asked.append((name, arguments))
        if told.failure is not None:
            raise told.failure

    class HfApi:
        def create_repo(self, repo_id, *, repo_type=None, private=None, exist_ok=False):
            ask("create_repo", repo_id=repo_id, private=private)
            (place / repo_id).mkdir(parents=True, exist_ok=exist_ok)

        def file_exists(self, repo_id, filename, *, repo_type=None):
            return (place / repo_id / filename).exists()

        def upload_folder(
            self, *, repo_id, folder_path, repo_type=None, commit_message=None, delete_patterns=()
        ):
            ask("upload_folder", repo_id=repo_id)
            for name in files(place / repo_id):
                if any(fnmatch.fnmatch(name, pattern) for pattern in delete_patterns):
                    (place / repo_id / name).unlink()
            shutil.copytree(folder_path, place / repo_id, dirs_exist_ok=True)
            return types.SimpleNamespace(repo_url=f"hub/{repo_id}")

        def model_info(self, repo_id, *, revision=None, files_metadata=False):
            ask("model_info", repo_id=repo_id, revision=revision)
            if not (place / repo_id).is_dir():
                raise RepositoryNotFoundError("404 Client Error.\nRepository Not Found")
            siblings = [
                types.SimpleNamespace(rfilename=name, size=len(data) if files_metadata else None)
                for name, data in files(place / repo_id).items()
            ]
            return types.SimpleNamespace(sha="c0ffee", siblings=siblings)

    def snapshot_download(repo_id, *, repo_type, revision, local_dir, allow_patterns):
        ask("snapshot_download", repo_id=repo_id, revision=revision)
        for name, data in files(place / repo_id).items():
            if any(fnmatch.fnmatch(name, pattern) for pattern in allow_patterns):
                (Path(local_dir) / name).parent.mkdir(parents=True, exist_ok=True)
                (Path(local_dir) / name).write_bytes(data)
        (Path(local_dir) / ".cache").mkdir()  # it keeps notes there
        return local_dir

    module = types.ModuleType("huggingface_hub")
    members = {
        "HfApi": HfApi,
        "snapshot_download": snapshot_download,
        "get_token": lambda: told.token,
    }
    for name, member in members.items():
        setattr(module, name, member)
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return told


def test_there_and_back(saved, shelf, home):
    assert push_policy(saved, "me/goer") == "hub/me/goer"
    page = (shelf.place / "me" / "goer" / "README.md").read_text()
    assert "didact policies pull me/goer" in page
    folder = pull_policy("me/goer")
    assert folder == home / "goer"
    assert files(folder) == files(saved)
    assert load_policy("goer").environment == "Somewhere"
    assert shelf.asked[-1] == ("snapshot_download", {"repo_id": "me/goer", "revision": "c0ffee"})
    assert pull_policy("me/goer", "other", revision="v2").name == "other"
    assert shelf.asked[-2][1]["revision"] == "v2"
    assert sorted(os.listdir(home)) == ["goer", "other"]


def test_nothing_is_replaced_unasked(saved, copy, policy, shelf, home):
    from didact.students import save_policy

    push_policy(saved, "me/goer")
    before = files(shelf.place)
    save_policy(copy, policy.card | {"environment": "Elsewhere"}, policy.params)
    with pytest.raises(SettingError, match=r"repository is 'me/goer', .* --replace"):
        push_policy(copy, "me/goer")
    assert files(shelf.place) == before
    push_policy(copy, "me/goer", replace=True)
    pull_policy("me/goer")  # the files of the first are gone, so what is there is one policy
    assert load_policy("goer").environment == "Elsewhere"
    asked = len(shelf.asked)
    with pytest.raises(SettingError, match="--name is 'goer'"):
        pull_policy("me/goer")
    assert len(shelf.asked) == asked  # told before anything was downloaded
    pull_policy("me/goer", replace=True)


def test_what_is_pulled_is_checked(saved, shelf, home, monkeypatch):
    push_policy(saved, "me/goer")
    edit(shelf.place / "me" / "goer", lambda card: card["network"].update(hidden=10**9))
    with pytest.raises(SettingError, match=r"network.hidden in me/goer/policy.json is 1000000000"):
        pull_policy("me/goer")
    (shelf.place / "me" / "goer" / "policy.json").unlink()
    with pytest.raises(SettingError, match=r"policy.json is missing"):
        pull_policy("me/goer")
    push_policy(saved, "me/goer")
    monkeypatch.setattr(hub, "MAX_SIZE", 10_000)
    with pytest.raises(SettingError, match=r"a policy of at most .* GiB"):
        pull_policy("me/goer")
    assert shelf.asked[-1][0] == "model_info"  # nothing was downloaded
    assert os.listdir(home) == []


@pytest.mark.parametrize("repo", ["", "me/", "/goer", "a/b/c", "../x", "me/../x", "me goer", "-x"])
def test_what_is_no_repository(saved, shelf, repo):
    for call in (lambda: pull_policy(repo), lambda: push_policy(saved, repo)):
        with pytest.raises(SettingError, match=r"repository is .* owner/name"):
            call()
    assert shelf.asked == []


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (OfflineModeIsEnabled("HF_HUB_OFFLINE=1 is set"), "check your network connection"),
        (LocalEntryNotFoundError("Cannot find\nan appropriate"), "check your network connection"),
        (ConnectError("[Errno -2] Name or service not known"), "check your network connection"),
        (TimeoutError("timed out"), "check your network connection"),
        (RepositoryNotFoundError("401 Client Error.\nNot Found"), "an existing repository"),
        (HfHubHTTPError("401 Client Error", 401), "accessible with your token"),
        (HfHubHTTPError("403 Forbidden", 403), "accessible with your token"),
        (HfHubHTTPError("500 Server Error\nplease wait", 500), "500 Server Error"),
        (ValueError(""), "ValueError"),
    ],
)
def test_one_sentence_for_each_failure(saved, shelf, home, failure, words):
    shelf.failure = failure
    for call in (lambda: pull_policy("me/goer"), lambda: push_policy(saved, "me/goer")):
        with pytest.raises(SettingError, match=words) as caught:
            call()
        assert "\n" not in str(caught.value)
        assert "'me/goer'" in str(caught.value)
    assert not home.exists() or os.listdir(home) == []


def test_an_unknown_repository(shelf):
    with pytest.raises(SettingError, match="'me/nothing', but must be an existing repository"):
        pull_policy("me/nothing")


def test_pushing_needs_a_token(saved, shelf):
    shelf.token = None
    with pytest.raises(SettingError, match="hub token is None, but must be set by HF_TOKEN"):
        push_policy(saved, "me/goer")
    assert shelf.asked == []


def test_the_extra_may_be_missing(saved, monkeypatch):
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    for call in (lambda: pull_policy("me/goer"), lambda: push_policy(saved, "me/goer")):
        with pytest.raises(SettingError, match=r"pip install -e '.\[hub\]'"):
            call()
