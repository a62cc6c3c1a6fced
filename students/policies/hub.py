"""Policies on the Hugging Face Hub, by the package `huggingface_hub` of the extra `hub`."""

import importlib
import os
import re
import tempfile
from pathlib import Path
from typing import Any

from didact.environments import SettingError
from didact.students.policies.archives import MAX_FILES, install_policy
from didact.students.policies.cards import MAX_SIZE
from didact.students.policies.lookup import describe, locate
from didact.students.policies.names import CARD
from didact.students.policies.storage import PARAMS, copy_policy, read_folder

REPO = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,95}(/[A-Za-z0-9][A-Za-z0-9._-]{0,95})?")
PATTERNS = [CARD, f"{PARAMS}/*"]  # a star matches slashes, too
# Errors are distinguished by class name: their modules differ between versions of the package, and
# network errors come from the HTTP library that it uses.
_UNKNOWN = {"RepositoryNotFoundError", "RevisionNotFoundError", "GatedRepoError"}
_TOKEN = {"LocalTokenNotFoundError"}
_OFFLINE = {
    "OfflineModeIsEnabled",
    "LocalEntryNotFoundError",
    "ConnectionError",
    "ConnectError",
    "NetworkError",
    "Timeout",
    "TimeoutException",
    "TimeoutError",
    "TransportError",
}


def push_policy(
    policy: str | os.PathLike[str], repo: str, *, replace: bool = False, private: bool = False
) -> str:
    """Upload a policy to the hub, after loading it once.

    Args:
        policy: a name, a policy folder or a run folder.
        repo: "owner/name"; created if it does not exist.
        replace: whether to replace the policy in the repository (the hub keeps earlier versions).
        private: whether a new repository is private.

    Returns:
        The URL of the repository.

    Raises:
        SettingError: there is no such policy, the extra or a token is missing, the hub cannot be
            reached or refuses, or the repository already contains a policy.
    """
    _check_repo(repo)
    hub = _hub()
    folder = locate(policy)
    card, _ = read_folder(folder)
    if not hub.get_token():
        raise SettingError("hub token", None, "set by HF_TOKEN or `hf auth login` to push")
    api = hub.HfApi()
    with tempfile.TemporaryDirectory() as stage:
        copy_policy(folder, Path(stage))
        (Path(stage) / "README.md").write_text(_readme(card, repo), encoding="utf-8")
        try:
            api.create_repo(repo_id=repo, repo_type="model", private=private, exist_ok=True)
            there = api.file_exists(repo_id=repo, filename=CARD, repo_type="model")
            if there and not replace:
                allowed = "a repository without a policy (use --replace to replace the policy)"
                raise SettingError("repository", repo, allowed)
            # Delete the parameter files of the earlier policy: their names differ.
            done = api.upload_folder(
                repo_id=repo,
                folder_path=stage,
                repo_type="model",
                commit_message="Upload a didact policy",
                delete_patterns=[f"{PARAMS}/*"],
            )
        except SettingError:
            raise
        except Exception as error:
            raise _hub_error(error, repo) from None
    return str(getattr(done, "repo_url", None) or repo)


def pull_policy(
    repo: str, name: str | None = None, *, replace: bool = False, revision: str | None = None
) -> Path:
    """Download a policy from the hub, with the same checks as for an imported file.

    Args:
        repo: "owner/name".
        name: the policy's local name; if None, the repository's name without its owner.
        replace: whether to replace an imported policy of the same name.
        revision: branch, tag or commit; the latest commit if None.

    Returns:
        The policy folder.

    Raises:
        SettingError: the extra is missing, the hub cannot be reached, the repository does not exist
            or contains no policy, the policy is too large, or the name is taken. Nothing is changed
            in this case.
    """
    _check_repo(repo)
    hub = _hub()

    def download(folder: Path) -> None:
        with tempfile.TemporaryDirectory() as place:
            try:
                info = hub.HfApi().model_info(repo, revision=revision, files_metadata=True)
                _check_size(info, repo)
                # Pin the commit that was checked: the repository may change before the download.
                hub.snapshot_download(
                    repo_id=repo,
                    repo_type="model",
                    revision=info.sha,
                    local_dir=place,
                    allow_patterns=PATTERNS,
                )
            except SettingError:
                raise
            except Exception as error:
                raise _hub_error(error, repo) from None
            if not (Path(place) / CARD).is_file():
                raise _no_policy(repo)
            copy_policy(Path(place), folder)

    return install_policy(download, name or repo.split("/")[-1], repo, replace=replace)


def _hub() -> Any:
    try:
        return importlib.import_module("huggingface_hub")
    except ImportError:
        raise SettingError(
            "package huggingface_hub", "missing", "installed: pip install -e '.[hub]'"
        ) from None


def _check_repo(repo: str) -> None:
    if not REPO.fullmatch(repo):
        raise SettingError("repository", repo, "of the form owner/name")


def _check_size(info: Any, repo: str) -> None:
    files = [f for f in info.siblings or () if f.rfilename.split("/")[0] in (CARD, PARAMS)]
    size = sum(f.size or 0 for f in files)
    if not any(f.rfilename == CARD for f in files):
        raise _no_policy(repo)
    if size > MAX_SIZE or len(files) > MAX_FILES:
        allowed = f"a policy of at most {MAX_SIZE / 2**30:g} GiB in {MAX_FILES} files"
        raise SettingError("repository", repo, f"{allowed} ({size / 2**30:.1f} GiB were found)")


def _no_policy(repo: str) -> SettingError:
    return SettingError("repository", repo, f"a repository with a policy ({CARD} is missing)")


def _hub_error(error: Exception, repo: str) -> SettingError:
    """Convert an error of the hub's package into a SettingError."""
    names = {kind.__name__ for kind in type(error).__mro__}
    status = getattr(getattr(error, "response", None), "status_code", None)
    if names & _TOKEN or (status in (401, 403) and not names & _UNKNOWN):
        allowed = "accessible with your token (set HF_TOKEN or run `hf auth login`)"
    elif names & _UNKNOWN:
        allowed = "an existing repository that you may read (private ones need a token)"
    elif names & _OFFLINE:
        allowed = "reachable (the hub does not respond; check your network connection)"
    else:
        why = (str(error).splitlines() or [""])[0][:200] or type(error).__name__
        allowed = f"a repository that the hub lets you use ({why.rstrip('.')})"
    return SettingError("repository", repo, allowed)


def _readme(card: dict[str, Any], repo: str) -> str:
    """Return the README that the hub shows for a policy."""
    return (
        "---\nlibrary_name: didact\ntags: [reinforcement-learning, didact]\n---\n\n"
        f"# {repo.split('/')[-1]}\n\n{describe(card)}\n\n"
        f"```sh\npip install -e '.[hub]'  # in a clone of didact\ndidact policies pull {repo}\n"
        f"didact evaluate {repo.split('/')[-1]}\n```\n"
    )
