"""The words of ``cnnexp evaluate`` that say what is done to the images: one change, or a list of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cnnexp.errors import ConfigError
from cnnexp.saved.faults import Fault
from cnnexp.saved.shifts import Shift

Change = Shift | Fault | None  # what is done to the images on purpose

NONE = "none"
_WORDS = ("shift", "fault", "shift.amount")


@dataclass(frozen=True, slots=True)
class Changes:
    """What is done to the images, one evaluation each, and what the rest of the words was."""

    each: tuple[tuple[Mapping[str, str], Change], ...]  # the setting as it is recorded, and what it means
    others: tuple[str, ...]

    @property
    def varied(self) -> dict[str, str]:
        """The setting that differs between the evaluations, with its values; empty where none was named."""
        values: dict[str, list[str]] = {}
        for setting, _ in self.each:
            for name, word in setting.items():
                values.setdefault(name, []).append(word)
        return {name: ", ".join(words) for name, words in values.items()}


def parse(words: Sequence[str]) -> Changes:
    """Take ``shift=blur shift.amount=1.5``, or a list such as ``shift=none,blur:1.5`` or ``fault=none,turned``.

    Raises:
        ConfigError: such a change does not exist, or lacks its amount.

    """
    others = tuple(word for word in words if word.partition("=")[0] not in _WORDS)
    found = dict(word.split("=", 1) for word in words if word not in others)
    if "shift" in found and "fault" in found:
        raise ConfigError("One kind of change at a time: shift=... or fault=..., not both.")
    if "shift.amount" in found:
        return Changes((_with_amount(found),), others)
    if "shift" in found:
        return Changes(tuple(_shift(word) for word in found["shift"].split(",")), others)
    if "fault" in found:
        return Changes(tuple(_fault(word) for word in found["fault"].split(",")), others)
    return Changes((({}, None),), others)


def _with_amount(found: Mapping[str, str]) -> tuple[Mapping[str, str], Change]:
    if "shift" not in found:
        raise ConfigError("A shift.amount needs its shift, such as shift=blur shift.amount=1.5.")
    shift = Shift.parse(found["shift"], found["shift.amount"])
    return {"shift": shift.word}, shift


def _shift(word: str) -> tuple[Mapping[str, str], Change]:
    if word == NONE:
        return {"shift": NONE}, None
    name, _, amount = word.partition(":")
    if not amount:
        raise ConfigError(f"A shift needs its amount, such as shift={name}:0.1; got shift={word}.")
    shift = Shift.parse(name, amount.replace(":", ","))
    return {"shift": shift.word}, shift


def _fault(word: str) -> tuple[Mapping[str, str], Change]:
    fault = None if word == NONE else Fault.parse(word)
    return {"fault": word}, fault
