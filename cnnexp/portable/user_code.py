"""Code that users added: executed from its text, and beside a saved model only if the user says that it is trusted.

A model of Keras's own layers needs none of it. One with layers of the user's own has their source in the folder
``extensions`` beside it, with its digests in the card.
"""

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from types import CodeType, ModuleType
from typing import Any

from .card import CARD_FILE, Card, UnfitModelError, digest_of

FOLDER = "extensions"
TRUST = "CNNEXP_TRUST_CODE"  # environment variable; 1: code beside saved models is executed

_KERAS = "keras"  # the package whose classes every Keras has


def execute(files: Mapping[str, str], *, modules: Sequence[str], root: Path) -> list[ModuleType]:
    """Execute modules from text, with those of the same `files` that they import; return the modules.

    Args:
        files: Path below `root` -> text; their paths are the names of their modules.
        modules: Names of those to execute.
        root: Where the files stand, for tracebacks; they need not exist.

    Raises:
        Exception: Whatever the code raises; a SyntaxError of what is no Python.

    """
    finder = _Finder(files, root)
    for module in finder.modules:
        sys.modules.pop(module, None)
    sys.meta_path[:] = [finder, *(one for one in sys.meta_path if not _is_replaced(one, finder))]
    return [importlib.import_module(module) for module in modules]


def _is_replaced(other: object, finder: "_Finder") -> bool:
    """Tell whether all modules of an earlier finder are now those of `finder`: code that was executed again."""
    return isinstance(other, _Finder) and other.modules.keys() <= finder.modules.keys()


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds and loads modules whose source is a text."""

    def __init__(self, files: Mapping[str, str], root: Path) -> None:
        self.modules = {_module_name(path): path for path in files}
        self._files = files
        self._root = root

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname not in self.modules:
            return None
        spec = importlib.machinery.ModuleSpec(
            fullname, self, origin=self._origin(fullname), is_package=self.is_package(fullname)
        )
        spec.has_location = True
        if spec.submodule_search_locations is not None:
            spec.submodule_search_locations.append(str(Path(self._origin(fullname)).parent))
        return spec

    def is_package(self, fullname: str) -> bool:
        return PurePosixPath(self.modules[fullname]).name == "__init__.py"

    def get_source(self, fullname: str) -> str:
        return self._files[self.modules[fullname]]

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = compile(self.get_source(fullname), self._origin(fullname), "exec", dont_inherit=True)
        return code

    def _origin(self, fullname: str) -> str:
        return str(self._root / self.modules[fullname])


def _module_name(path: str) -> str:
    parts = PurePosixPath(path).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def foreign_objects(description: object) -> list[str]:
    """Return the names of classes and functions in a model's description (its JSON) that Keras does not have."""
    return sorted({name.rpartition(">")[2] for name in _foreign(description)})


def unregistered_objects(description: object) -> list[str]:
    """Return those of them that are not registered, so that no program finds them when it loads the model."""
    return sorted({name for name in _foreign(description) if ">" not in name})


def _foreign(node: object) -> Iterator[str]:
    if isinstance(node, list):
        for one in node:
            yield from _foreign(one)
    if not isinstance(node, dict):
        return
    if isinstance(node.get("class_name"), str) and "registered_name" in node:
        name = node["config"] if node["class_name"] == "function" else node["registered_name"] or node["class_name"]
        if ">" in str(name) or not _is_of_keras(node.get("module")):
            yield str(name)
    for one in node.values():
        yield from _foreign(one)


def _is_of_keras(module: object) -> bool:
    return module is None or str(module).partition(".")[0] == _KERAS


def prepare(model_file: Path) -> None:
    """Execute the code beside a model that has layers of the user's own, if the user trusts it.

    Nothing is executed for a model of Keras's own layers, or where the code is loaded already, by ``--extend``.

    Raises:
        UnfitModelError: The model needs code, and it is not trusted, is not there, was changed, or fails.

    """
    needed = missing_objects(model_file)
    if not needed:
        return
    contents = code_beside(model_file.parent)
    if not contents:
        raise UnfitModelError(
            f"{model_file} has classes that Keras does not have: {', '.join(needed)}. Their source must be in "
            f"{FOLDER}/ beside it, and is not. Give the file that defines them: --extend FILE."
        )
    if os.environ.get(TRUST) != "1":
        raise UnfitModelError(_untrusted(model_file, needed, contents))
    _execute_beside(model_file.parent / FOLDER, contents)
    if still := missing_objects(model_file):
        raise UnfitModelError(
            f"{model_file} needs {', '.join(still)}, which {', '.join(contents)} do not register with "
            "keras.saving.register_keras_serializable. Take the original from the run."
        )


def missing_objects(model_file: Path) -> list[str]:
    """Return the classes and functions that a model needs, that Keras does not have and no code has registered."""
    from keras.saving import get_registered_object

    try:
        with zipfile.ZipFile(model_file) as archive:
            description = json.loads(archive.read("config.json"))
    except (OSError, KeyError, ValueError, RuntimeError, NotImplementedError, zipfile.BadZipFile):
        return []  # no model: Keras says so
    names = {name for name in _foreign(description) if get_registered_object(name) is None}
    return sorted(name.rpartition(">")[2] for name in names)


def code_beside(folder: Path) -> dict[str, bytes]:
    """Return the files of code that belong to the model of a folder: path below ``extensions`` -> content.

    Raises:
        UnfitModelError: One is missing, or is not the file its card was written for.

    """
    file = folder / CARD_FILE
    if not file.is_file():
        return {}
    card = Card.from_json(file.read_bytes())
    names = [name for name in card.files if name.startswith(f"{FOLDER}/")]
    return {name.removeprefix(f"{FOLDER}/"): _unchanged(folder, name, card) for name in names}


def _unchanged(folder: Path, name: str, card: Card) -> bytes:
    """Return the content of a file of code, which must be the one its card was written for."""
    parts = PurePosixPath(name).parts
    try:
        content = (folder / name).read_bytes() if ".." not in parts else b""
    except OSError:
        content = b""
    if digest_of(content) != card.files[name]:
        raise UnfitModelError(
            f"{name} in {folder} is missing, or is not the file its card was written for: its digest is "
            f"{digest_of(content)[:12]}, that of the card {card.files[name][:12]}. Take the original from the run."
        )
    return content


def _untrusted(model_file: Path, needed: Sequence[str], contents: Mapping[str, bytes]) -> str:
    files = ", ".join(
        f"{FOLDER}/{name} ({len(content.splitlines())} lines, sha256 {digest_of(content)[:12]})"
        for name, content in contents.items()
    )
    return (
        f"Code beside a model is executed only if you trust it. {model_file} has classes that Keras does not have: "
        f"{', '.join(needed)}. Their code is in {files}; nothing of it was executed. Read it in {model_file.parent}; "
        f"if you trust it, add --trust-code, or set {TRUST}=1 for servers and exported folders."
    )


def _execute_beside(folder: Path, contents: Mapping[str, bytes]) -> None:
    files = {name: content.decode("utf-8") for name, content in contents.items()}
    with _where_it_imports_cnnexp():
        try:
            execute(files, modules=[_module_name(name) for name in files], root=folder)
        except Exception as error:  # whatever the code raises
            reason = " ".join(str(error).split())
            raise UnfitModelError(
                f"The code in {folder} ({', '.join(contents)}) failed: {type(error).__name__}: {reason}"
            ) from error


@contextmanager
def _where_it_imports_cnnexp() -> Iterator[None]:
    """Let code import the decorators of `cnnexp.extend` where cnnexp is not installed: there they do nothing."""
    if _is_installed("cnnexp.extend"):
        yield
        return
    names = ("cnnexp", "cnnexp.extend")
    before = {name: sys.modules[name] for name in names if name in sys.modules}
    sys.modules.update({name: _Decorators(name) for name in names})
    try:
        yield
    finally:
        for name in names:
            del sys.modules[name]
        sys.modules.update(before)


def _is_installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # its package is not there, or is something else
        return False


class _Decorators(ModuleType):
    """Stands for `cnnexp.extend` in a folder that works without cnnexp."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *_arguments, **_settings: lambda function: function
