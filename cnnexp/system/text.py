"""Text for people: safe for a terminal or a page, with names listed, things counted and spelling corrected."""

import re
import sys
from collections.abc import Iterable
from pathlib import Path


def printable(text: str, *, keep: str = "") -> str:
    """Return the text with escapes for control characters and undecodable bytes, except for the letters to `keep`.

    The name of a file, a class or a folder could otherwise give commands to a terminal.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in keep else letter.encode("unicode_escape").decode()
        for letter in text
    )


def shortened(text: str, *, most: int = 160) -> str:
    """Return a printable text without its middle if it has more letters than `most`: of a path, both ends say most."""
    text = printable(text)
    half = (most - 1) // 2
    return text if len(text) <= most else f"{text[:half]}…{text[-half:]}"


_UNITS = ("kB", "MB", "GB", "TB")


def file_size(count: float) -> str:
    """Write a number of bytes in the unit that suits it."""
    for unit in _UNITS:
        count /= 1000
        if count < 1000 or unit == _UNITS[-1]:
            break
    return f"{count:.3g} {unit}" if count < 999.5 else f"{count:.0f} {unit}"


def markdown(text: str) -> str:
    """Return text that Markdown, and the HTML inside it, show as it is, in one line.

    The name of a class could otherwise be a link, a picture or a table of its own.
    """
    for letter in "\\`*_|[#~":
        text = text.replace(letter, f"\\{letter}")
    return one_line(printable(text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"), keep="\n"))


_FORMULA = tuple("=+-@\t\r\n＝＋－＠")  # the last four as Asian keyboards write them
_NUMBER = re.compile(r"[+-]?[\d.]+(e[+-]?\d+)?", re.IGNORECASE | re.ASCII)


def spreadsheet_cell(value: object) -> object:
    """Return the value of a CSV cell; a text that a spreadsheet would run as a formula gets an apostrophe before it.

    So OWASP recommends it ("CSV Injection"). Numbers stay as they are, also those that are text: -1.
    """
    if not isinstance(value, str) or not value.startswith(_FORMULA) or _NUMBER.fullmatch(value):
        return value
    return f"'{value}"


def as_yaml(value: str | float | bool | None) -> str:
    """Write a value as YAML does."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def listed(names: Iterable[str], *, most: int = 5, separator: str = ", ") -> str:
    """Return the first `most` names and the number of the others: "a, b and 3 more"."""
    names = list(names)
    more = f" and {len(names) - most:,} more" if len(names) > most else ""
    return separator.join(names[:most]) + more


def plural(number: int, one: str, many: str | None = None) -> str:
    """Return a number with what it counts: "1 image", "3,000 images", "2 classes".

    `many` is the plural where it is irregular, or where a verb follows: ``plural(n, "link was", "links were")``.
    """
    if many is None:
        many = f"{one}es" if one.endswith("s") else f"{one}s"
    return f"{number:,} {one if number == 1 else many}"


def closest(word: str, choices: Iterable[str], *, similarity: float = 0.6) -> str | None:
    """Return the choice spelled most like `word`; None where none has this `similarity` (0..1)."""
    from difflib import get_close_matches  # only an error needs it

    return next(iter(get_close_matches(word, list(choices), n=1, cutoff=similarity)), None)


def did_you_mean(word: str, choices: Iterable[str], *, similarity: float = 0.6) -> str:
    """Return " Did you mean X?" to end a message with; empty where no choice is spelled like `word`."""
    near = closest(word, choices, similarity=similarity)
    return f" Did you mean {near}?" if near else ""


def one_line(text: object) -> str:
    """Return a text, or the message of an error, without line breaks and repeated spaces."""
    return " ".join(str(text).split())


def first_line(error: Exception) -> str:
    """Return the first line of an error's message; the name of its type where it has none."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)


def program() -> str:
    """Return ``cnnexp`` where the shell finds the one of this environment, else ``.../python -m cnnexp``."""
    import shlex
    import shutil

    python = Path(sys.executable)
    found = shutil.which("cnnexp")
    if found is not None and Path(found).parent.samefile(python.parent):
        return "cnnexp"
    if python.is_relative_to(Path.cwd()):
        python = python.relative_to(Path.cwd())
    return f"{shlex.quote(str(python))} -m cnnexp"


def command_with(replacement: str, *, instead_of: str) -> str | None:
    """Return the command of this process with one of its words replaced; None if that is not among them."""
    import shlex

    words = sys.argv[1:]
    if instead_of not in words:
        return None
    return f"{program()} {shlex.join(replacement if word == instead_of else word for word in words)}"
