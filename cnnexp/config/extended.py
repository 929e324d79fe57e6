"""The one table of options that users add by ``--extend``; `cnnexp.extensions` fills it at the door.

Built-in options are dataclasses that builders match on. An added one is a dataclass too, which is made of the user's
own and is `Extended`, so that everything that is said of a setting holds for it, and builders end in
``case Extended()``.
"""

import dataclasses
import hashlib
import json
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from cnnexp.errors import CnnexpError, ExtensionError
from cnnexp.system.text import one_line

FOLDER = "extensions"  # of the files of code, in a run's record and beside a saved model


@dataclass(frozen=True, kw_only=True, slots=True)
class Code:
    """A file of Python, or a package's module, with the files of its own folder or package that it imports; as text."""

    argument: str  # as it was typed after --extend
    root: str  # folder that the files are below
    main: str  # name of its module
    files: Mapping[str, str]  # path below `root`, such as my_things.py -> text

    @property
    def digest(self) -> str:
        """Equal where all the text is equal, wherever it stands; 16 hexadecimal digits."""
        return hashlib.sha256(json.dumps(dict(self.files), sort_keys=True).encode()).hexdigest()[:16]

    @property
    def name(self) -> str:
        """The file without its folder, or the module of a package."""
        return f"{self.main}.py" if self.argument.endswith(".py") else self.main

    @property
    def source(self) -> str:
        """What to give to ``--extend`` in any folder: the whole path of a file, or the entry point."""
        return str(Path(self.root, f"{self.main}.py")) if self.argument.endswith(".py") else self.argument

    def place_of(self, error: BaseException) -> str:
        """Return file and line of this code where an error was raised, such as ``my_things.py:12``; or its name."""
        if isinstance(error, SyntaxError) and error.filename is not None:
            return f"{Path(error.filename).name}:{error.lineno}"
        frames = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in frames if frame.filename in {str(Path(self.root, name)) for name in self.files}]
        return f"{Path(own[-1].filename).name}:{own[-1].lineno}" if own else self.argument


@dataclass(frozen=True, kw_only=True, slots=True)
class Extension:
    """One option that a user has added."""

    group: str
    name: str
    settings: type | None  # the user's dataclass; None: the option has no settings of its own
    function: Callable[..., Any]
    code: Code

    def __str__(self) -> str:
        return f"{self.group}={self.name}"


class Extended:
    """What the class of an added option is beside its group's own, such as `ModelConfig`."""

    __slots__ = ()
    extension: ClassVar[Extension]

    def own(self) -> object:
        """Return the user's own settings, which check their values.

        Raises:
            Exception: Whatever the user's class raises.

        """
        owner = self.extension.settings
        if owner is None:
            return None
        names = [field.name for field in dataclasses.fields(owner) if field.init]
        return owner(**{name: getattr(self, name) for name in names})

    def call(self, *arguments: object) -> Any:  # noqa: ANN401 - what the user's function returns
        """Call the user's function with the user's settings.

        Raises:
            ExtensionError: It failed; the message names the line.

        """
        try:
            return self.extension.function(self.own(), *arguments)
        except CnnexpError:
            raise
        except Exception as error:  # whatever the user's code raises
            place = self.extension.code.place_of(error)
            reason = one_line(error) or "no message"
            raise ExtensionError(f"{self.extension} failed at {place}: {type(error).__name__}: {reason}") from error

    def refusal(self, rule: str) -> ExtensionError:
        """Return the error for a function that returned something else than its contract says."""
        return ExtensionError(f"{self.extension}, of {self.extension.code.argument}: {rule}")


TABLE: dict[str, dict[str, type[Extended]]] = {}  # group -> option -> its class


def added(group: str) -> Mapping[str, type[Extended]]:
    """Return the options that were added to a group."""
    return TABLE.get(group, {})


def code_files(extensions: Iterable[Extension]) -> dict[str, str]:
    """Return the text of all files that options need, under the names by which they are recorded and saved."""
    return {f"{FOLDER}/{path}": text for one in extensions for path, text in one.code.files.items()}


def all_added() -> list[Extension]:
    """Return every option that was added, in the order in which they were."""
    return [owner.extension for options in TABLE.values() for owner in options.values()]
