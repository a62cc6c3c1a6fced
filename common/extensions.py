"""Code of the user's own: modules and files that register environments, teachers and students."""

import importlib
import importlib.util
import sys
import traceback
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path

from didact.common.errors import SettingError

OPTION = "--import"
PREFIX = "didact_import_"  # of the names of modules that are made of files


def import_all(texts: Iterable[str], option: str = OPTION) -> tuple[str, ...]:
    """Imports modules and files, each of them once.

    Args:
        texts: dotted names of modules, or paths of .py files. Modules are also found in the working
            folder, and what a file imports also in the file's folder.
        option: what the user calls them, for errors.

    Returns:
        The same, with absolute paths: what imports them again from any folder.

    Raises:
        SettingError: there is no such module or file, or it fails.
    """
    return tuple(import_one(text, option) for text in texts)


def import_one(text: str, option: str = OPTION) -> str:
    """Imports one module or file; see `import_all`."""
    if not is_file(text):
        _search(Path.cwd())
        _guarded(lambda: importlib.import_module(text), text, option)
        return text
    path = Path(text).expanduser().absolute()
    if not path.is_file():
        raise SettingError(option, text, "a module, or a .py file that exists")
    _search(path.parent)
    name = _module_name(path)
    if name not in sys.modules:
        _guarded(lambda: _execute(path, name), text, option)
    return str(path)


def is_file(text: str) -> bool:
    """Whether a text names a file, and not a module."""
    return text.endswith(".py") or "/" in text or "\\" in text


def without_folders(texts: Iterable[str]) -> list[str]:
    """The same without the folders of files, which are nobody else's business."""
    return [Path(text).name if is_file(text) else text for text in texts]


def _search(folder: Path) -> None:
    """Lets modules be found in a folder, unless they are found elsewhere."""
    if str(folder) not in sys.path:
        sys.path.append(str(folder))


def _module_name(path: Path) -> str:
    """The name of a file's module: the same for the same file, however its path is written."""
    path = path.resolve()
    # Imported as a module already, by an entry point or another file; or the running script.
    for name, module in list(sys.modules.items()):
        source = getattr(module, "__file__", None)
        if source and Path(source).name == path.name and Path(source).resolve() == path:
            return name
    return f"{PREFIX}{path.stem}_{zlib.crc32(str(path).encode()):x}"


def _execute(path: Path, name: str) -> None:
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise ImportError("no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # first: dataclasses look up their module
    spec.loader.exec_module(module)


def _guarded(run: Callable[[], object], text: str, option: str) -> None:
    """Runs an import; its failure is one sentence that says where."""
    known = set(sys.modules)
    try:
        run()
    except (Exception, SystemExit) as error:  # a script may end when it reads its options
        for name in set(sys.modules) - known:
            if name.startswith(PREFIX):
                del sys.modules[name]
        missing = error.name if isinstance(error, ModuleNotFoundError) else None
        if missing and (text == missing or text.startswith(f"{missing}.")):
            allowed = "a module that is installed or in this folder, or the path of a .py file"
            raise SettingError(option, text, allowed) from None
        why = f"{type(error).__name__}{f': {error}' if str(error) else ''}".splitlines()[0]
        raise SettingError(
            option, text, f"code that can be imported ({_place(error)}{why.rstrip('.')})"
        ) from error


def _place(error: BaseException) -> str:
    """The line of the user's module at which it failed."""
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return f"{Path(error.filename or '').name}, line {error.lineno}: "
    frames = traceback.extract_tb(error.__traceback__)
    own = [f for f in frames if "importlib" not in f.filename and f.filename != __file__]
    return f"{Path(own[0].filename).name}, line {own[0].lineno}: " if own else ""
