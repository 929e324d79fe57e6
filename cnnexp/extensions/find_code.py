"""From what is typed after ``--extend`` to its source: a file, or a package's entry point, with what it imports."""

import ast
import importlib.util
import os
import sys
import sysconfig
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

from cnnexp.config.extended import Code
from cnnexp.errors import ConfigError
from cnnexp.system.files import at_home, is_file
from cnnexp.system.text import did_you_mean, listed, printable

ENTRY_POINTS = "cnnexp.extensions"  # group of the entry points of packages


def find_code(argument: str) -> Code:
    """Read a file, or the module that a package names in its entry points.

    Raises:
        ConfigError: there is no such file or entry point, or it cannot be read.

    """
    return _of_file(argument) if argument.endswith(".py") or os.sep in argument else _of_entry_point(argument)


def _of_file(argument: str) -> Code:
    path = at_home(argument).absolute()
    if not is_file(path) or path.suffix != ".py":
        raise ConfigError(f"--extend must be a file such as my_things.py; there is no {printable(argument)}.")
    _refuse_name(path)
    return Code(argument=argument, root=str(path.parent), main=path.stem, files=_with_imports(path.parent, path.stem))


def _refuse_name(path: Path) -> None:
    """Refuse a file whose name would hide a module that other code imports."""
    if not path.stem.isidentifier():
        raise ConfigError(f"--extend must be a file that Python can import; {path.name} is no name for it. Rename it.")
    if _is_another_module(path.stem):
        raise ConfigError(f"--extend must be a file with a name of its own; {path.stem} is a module. Rename the file.")


def _is_another_module(name: str) -> bool:
    """Tell whether a module of Python or of an installed package has this name."""
    if name in sys.stdlib_module_names or name == "__main__":
        return True
    spec = importlib.util.find_spec(name)
    places = {sysconfig.get_path(place) for place in ("purelib", "platlib")}
    return spec is not None and spec.origin is not None and any(spec.origin.startswith(place) for place in places)


def _of_entry_point(argument: str) -> Code:
    found = {one.name: one for one in entry_points(group=ENTRY_POINTS)}
    if argument not in found:
        known = listed(found) or "none is installed"
        raise ConfigError(
            f"--extend must be a file that ends in .py, or an entry point {ENTRY_POINTS} of a package; got "
            f"{printable(argument)}. Entry points: {known}.{did_you_mean(argument, found)}"
        )
    module = found[argument].module
    spec = importlib.util.find_spec(module)
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        raise ConfigError(f"--extend {argument} names the module {module} of a package, whose source is not there.")
    levels = len(module.split(".")) + spec.origin.endswith("__init__.py")
    root = Path(spec.origin).parents[levels - 1]
    return Code(argument=argument, root=str(root), main=module, files=_with_imports(root, module, within=module))


def _with_imports(root: Path, module: str, *, within: str | None = None) -> dict[str, str]:
    """Return the text of a module and, in turn, of all that it imports from the same folder; path -> text.

    `within` names the module of a package: nothing is taken from beside the package.
    """
    files: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop(0)
        path = _path_of(root, name)
        if path is None or path.as_posix() in files or not _is_own(name, within):
            continue
        files[path.as_posix()] = text = _text(root / path)
        waiting += [name.rpartition(".")[0], *_imported(text, name, is_package=path.name == "__init__.py")]
    return files


def _is_own(module: str, within: str | None) -> bool:
    """Tell whether a module of the folder is meant: one of the same package, or one that is installed nowhere."""
    top = module.partition(".")[0]
    return not _is_another_module(top) if within is None else top == within.partition(".")[0]


def _path_of(root: Path, module: str) -> Path | None:
    """Return the path below `root` of a module or package; None: it is none of this folder's."""
    if not module:
        return None
    path = Path(*module.split("."))
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((one for one in candidates if (root / one).is_file()), None)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"--extend reads Python in UTF-8; {path}: {error}.") from error


def _imported(text: str, module: str, *, is_package: bool) -> Iterator[str]:
    """Yield the names of all modules that a text may import, anywhere in it."""
    try:
        tree = ast.parse(text)
    except SyntaxError:  # it is refused with its line when it is executed
        return
    package = module if is_package else module.rpartition(".")[0]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parts = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*filter(None, parts), *([node.module] if node.module else [])])
            yield base
            yield from (f"{base}.{alias.name}".strip(".") for alias in node.names)
