"""Class names that differ only in how they are written: a and A, New York and New_York, cat and cat with a blank.

They stay classes of their own: handwritten a and A are two letters, and only the owner of the data knows.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SimilarNames:
    """Names that are equal but for one thing."""

    names: tuple[str, ...]  # at least two, as they were given
    difference: str  # "letter case", "blanks", ...


def similar_names(names: Iterable[str]) -> tuple[SimilarNames, ...]:
    """Find names that differ only in letter case, in letters without width, in blanks, or in the marks between words.

    Each group is returned once, with the smallest difference that explains all of it.
    """
    groups: dict[str, list[str]] = defaultdict(list)
    for name in dict.fromkeys(names):
        groups[_words(name)].append(name)
    return tuple(SimilarNames(tuple(group), _difference(group)) for group in groups.values() if len(group) > 1)


def _difference(group: Sequence[str]) -> str:
    return next(difference for difference, simplify in _DIFFERENCES if len(set(map(simplify, group))) == 1)


def _visible(name: str) -> str:
    """Return the compatible, composed form without letters that have no width, such as a byte order mark."""
    composed = unicodedata.normalize("NFKC", name)
    return "".join(letter for letter in composed if unicodedata.category(letter) != "Cf")


def _without_blanks(name: str) -> str:
    return "".join(_visible(name).split())


def _words(name: str) -> str:
    """Join words that blanks, _ or - divide; numbers stay apart, because 1-5 is not 15."""
    return re.sub(r"(?<=[^\W\d_])[_-]+(?=[^\W\d_])", "", _without_blanks(name)).casefold()


_DIFFERENCES: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("letter case", str.casefold),
    ("letters that look alike", _visible),
    ("blanks", _without_blanks),
    ("letter case, blanks, _ and -", _words),
)
