"""One override of a command line, such as ``optimizer=sgd`` or ``+data.cache=~/images``, as text.

Here an override is only taken apart, and written so that Hydra reads its value back as it was. Whether a value is a
number, or a list to sweep over, Hydra's own grammar says: see `cnnexp.compose`.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

_FORM = re.compile(r"(?P<prefix>~|\+{0,2})(?P<key>[^=]*)(?:=(?P<value>.*))?", re.DOTALL)
_QUOTED = re.compile(r"(?P<mark>['\"])(?P<text>(?:(?!(?P=mark))[^\\]|\\.)*)(?P=mark)", re.DOTALL)
_NEEDS_BACKSLASH = re.compile(r"(\\*)('|$)")  # Hydra takes a backslash as it is, unless it stands before a quote


@dataclass(frozen=True, slots=True)
class Override:
    """What is set, and to what."""

    key: str  # of a setting or group, such as training.epochs, optimizer or hydra/launcher
    value: str | None  # as written, with its quotes; None: there is no "="
    prefix: str = ""  # + adds, ++ adds or replaces, ~ deletes

    @classmethod
    def parse(cls, text: str) -> Self:
        """Take an override apart; a word that is not one has no value."""
        found = _FORM.fullmatch(text)
        assert found is not None  # the form has room for any text
        return cls(key=found["key"], value=found["value"], prefix=found["prefix"])

    @classmethod
    def setting(cls, key: str, value: object, *, prefix: str = "") -> Self:
        """Return the override that gives `key` the value None, or one of type bool, int, float, str or list."""
        return cls(key=key, value=quote(value), prefix=prefix)

    def __str__(self) -> str:
        return f"{self.prefix}{self.key}" + ("" if self.value is None else f"={self.value}")


def values_of(overrides: Sequence[str]) -> dict[str, str]:
    """Return key -> value as written, of those that set something; of several for one key the last."""
    parsed = [Override.parse(text) for text in overrides]
    return {one.key: one.value for one in parsed if one.value is not None and one.prefix != "~"}


def quote(value: object) -> str:
    """Write a value so that Hydra reads it back: text within quotes, whatever is in it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return f"'{_NEEDS_BACKSLASH.sub(_escaped, value)}'"
    if isinstance(value, list):
        return f"[{','.join(quote(one) for one in value)}]"
    return str(value)


def unquote(value: str) -> str:
    """Return the text that a value stands for: what is within its quotes where it is quoted as a whole, else itself."""
    found = _QUOTED.fullmatch(value.strip())
    if found is None:
        return value
    return re.sub(
        rf"(\\+)({found['mark']}|$)", lambda escaped: escaped[1][: len(escaped[1]) // 2] + escaped[2], found["text"]
    )


def _escaped(found: re.Match[str]) -> str:
    return found[1] * 2 + ("\\'" if found[2] else "")
