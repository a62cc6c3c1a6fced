"""User extensions: modules and files that register environments, teachers and students."""

import importlib
import importlib.util
import os
import shlex
import sys
import traceback
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

from didact.common.errors import SettingError

OPTION = "--import"
PREFIX = "didact_import_"  # of the names of modules that are loaded from files


def import_all(texts: Iterable[str], option: str = OPTION) -> tuple[str, ...]:
    """Import modules and files, each of them once.

    Args:
        texts: dotted module names or paths of .py files. Modules are also looked up in the working
            directory, and the imports of a file also in the directory of that file.
        option: the name of the option, for errors.

    Returns:
        The same texts with absolute paths, so that they can be imported again from any directory.

    Raises:
        SettingError: a module or file does not exist, or importing it fails.
    """
    return tuple(import_one(text, option) for text in texts)


def import_one(text: str, option: str = OPTION) -> str:
    """Import one module or file; see `import_all`."""
    if not is_file(text):
        _search(Path.cwd())
        _guarded(lambda: importlib.import_module(text), text, option)
        return text
    path = Path(os.path.expanduser(text)).absolute()
    if not path.is_file():
        raise SettingError(option, text, "a module, or a .py file that exists")
    _search(path.parent)
    name = _module_name(path)
    if name not in sys.modules:
        _guarded(lambda: _execute(path, name), text, option)
    return str(path)


def require_named(
    texts: Iterable[str], option: str, value: object, named: Iterable[str] = ()
) -> None:
    """Require that the user names the code that a file imports: files alone never run code.

    Args:
        texts: what the file imports, as for `import_all`.
        option: name of the option that gave the file.
        value: the file.
        named: what the user names; files may have moved to another folder.

    Raises:
        SettingError: some of the code is not named, and not imported in this process either.
    """
    names = {Path(text).name for text in named}
    missing = [t for t in texts if not is_imported(t) and Path(t).name not in names]
    if missing:
        words = " ".join(f"{OPTION} {shlex.quote(text)}" for text in missing)
        allowed = f"given together with {words} if you trust that code: files alone never import it"
        raise SettingError(option, str(value), allowed)


def is_imported(text: str) -> bool:
    """Whether a module or file has been imported in this process."""
    return (_module_name(Path(text)) if is_file(text) else text) in sys.modules


def is_file(text: str) -> bool:
    """Whether a text names a file rather than a module."""
    return text.endswith(".py") or "/" in text or "\\" in text


def without_folders(texts: Iterable[str]) -> list[str]:
    """Remove the directories of files from texts, for records that are shared."""
    return [Path(text).name if is_file(text) else text for text in texts]


def _search(folder: Path) -> None:
    """Append a folder to the module search path."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _module_name(path: Path) -> str:
    """Return the module name of a file, which does not depend on how the path is written."""
    path = path.resolve()
    # The file may have been imported as a module already, or be the running script.
    for name, module in list(sys.modules.items()):
        source = getattr(module, "__file__", None)
        if source and Path(source).name == path.name and Path(source).resolve() == path:
            return name
    return f"{PREFIX}{path.stem}_{zlib.crc32(str(path).encode()):x}"


def _execute(path: Path, name: str) -> None:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError("not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # first: dataclasses look up their module
    spec.loader.exec_module(module)


def _guarded(run: Callable[[], object], text: str, option: str) -> None:
    """Run an import and turn a failure into a `SettingError` with the line that failed."""
    known = set(sys.modules)
    try:
        run()
    except (Exception, SystemExit) as error:  # a script may exit when it parses its options
        for name in set(sys.modules) - known:
            if name.startswith(PREFIX):
                del sys.modules[name]
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and (text == missing or text.startswith(f"{missing}.")):
            allowed = "a module that is installed or in this directory, or the path of a .py file"
            raise SettingError(option, text, allowed) from None
        why = f"{type(error).__name__}{f': {error}' if str(error) else ''}".splitlines()[0]
        raise SettingError(
            option, text, f"code that can be imported ({_place(error)}{why.rstrip('.')})"
        ) from error


def _place(error: BaseException) -> str:
    """Return the file and line of the user's code that failed."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return f"{Path(error.filename or '').name}, line {error.lineno}: "
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "importlib" not in f.filename and f.filename != __file__]
    return f"{Path(own[0].filename).name}, line {own[0].lineno}: " if own else ""
