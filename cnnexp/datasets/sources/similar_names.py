"""Class names that differ only in how they are written: a and A, New York and New_York, cat and cat with a blank.

They stay classes of their own: handwritten a and A are two letters, and only the owner of the data knows.
"""

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal


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
    """Return the composed form as it looks: without letters of no width, Latin in place of letters that look so."""
    composed = unicodedata.normalize("NFKC", name).translate(_LATIN)
    return "".join(letter for letter in composed if unicodedata.category(letter) != "Cf")


_LATIN = str.maketrans(  # Cyrillic and Greek letters that look like Latin ones
    "асеіјорѕхуАВСЕНІЈКМОРЅТХΑΒΕΖΗΙΚΜΝΟΡΤΥΧο",
    "aceijopsxyABCEHIJKMOPSTXABEZHIKMNOPTYXo",
)
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")


def _number(name: str) -> str:
    """Return 1 for 1.0, 1,0 and 01; anything but a number as it is."""
    text = _without_blanks(name)
    return f"{Decimal(text.replace(',', '.')).normalize():f}" if _NUMBER.fullmatch(text) else name


def _without_blanks(name: str) -> str:
    return "".join(_visible(name).split())


def _words(name: str) -> str:
    """Join words that blanks, _ or - divide; numbers stay apart, because 1-5 is not 15."""
    number = _number(name)
    return re.sub(r"(?<=[^\W\d_])[_-]+(?=[^\W\d_])", "", _without_blanks(number)).casefold()


_DIFFERENCES: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("letter case", str.casefold),
    ("letters that look alike", _visible),
    ("blanks", _without_blanks),
    ("the way a number is written", _number),
    ("letter case, blanks, _ and -", _words),
)
