"""Names of files and classes, made safe to show and put in the order people expect."""

import re
import unicodedata
from collections.abc import Iterable

from cnnexp.printable import printable

_DIGITS = re.compile(r"(\d{1,18})")


def class_name(name: str) -> str:
    """Give a class name its one spelling: macOS and Linux write the same accented letter in two ways."""
    return printable(unicodedata.normalize("NFC", name))


def natural_order(names: Iterable[str]) -> tuple[str, ...]:
    """Sort so that numbers inside names count as numbers: 2 before 10."""
    return tuple(sorted(set(names), key=_natural_key))


def _natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    parts = _DIGITS.split(name)
    key = [(0, int(part), "") if number % 2 else (1, 0, part.casefold()) for number, part in enumerate(parts) if part]
    return key, name
