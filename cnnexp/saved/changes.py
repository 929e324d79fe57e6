"""The settings of ``cnnexp evaluate`` that change the images: one change, or a list of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cnnexp.config import Override, values_of
from cnnexp.errors import ConfigError
from cnnexp.saved.faults import Fault
from cnnexp.saved.shifts import Shift

Change = Shift | Fault | None  # of the images, on purpose

NONE = "none"
_SETTINGS = ("shift", "fault", "shift.amount")


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes, each for one evaluation, and the other settings of the command."""

    each: tuple[tuple[Mapping[str, str], Change], ...]  # the setting as recorded, and the change
    others: tuple[str, ...]

    @property
    def varied(self) -> dict[str, str]:
        """The setting that differs between the evaluations, with its values; empty without one."""
        values: dict[str, list[str]] = {}
        for setting, _ in self.each:
            for name, value in setting.items():
                values.setdefault(name, []).append(value)
        return {name: ", ".join(listed) for name, listed in values.items()}


def parse(settings: Sequence[str]) -> Changes:
    """Parse ``shift=blur shift.amount=1.5``, or a list such as ``shift=none,blur:1.5`` or ``fault=none,turned``.

    Raises:
        ConfigError: a change is unknown or lacks its amount.

    """
    others = tuple(setting for setting in settings if Override.parse(setting).key not in _SETTINGS)
    found = values_of([setting for setting in settings if setting not in others])
    if "shift" in found and "fault" in found:
        raise ConfigError("One kind of change at a time: shift=... or fault=..., not both.")
    if "shift.amount" in found:
        return Changes((_with_amount(found),), others)
    if "shift" in found:
        return Changes(tuple(_shift(value) for value in found["shift"].split(",")), others)
    if "fault" in found:
        return Changes(tuple(_fault(value) for value in found["fault"].split(",")), others)
    return Changes((({}, None),), others)


def _with_amount(found: Mapping[str, str]) -> tuple[Mapping[str, str], Change]:
    if "shift" not in found:
        raise ConfigError("A shift.amount needs its shift, such as shift=blur shift.amount=1.5.")
    shift = Shift.parse(found["shift"], found["shift.amount"])
    return {"shift": shift.setting}, shift


def _shift(value: str) -> tuple[Mapping[str, str], Change]:
    if value == NONE:
        return {"shift": NONE}, None
    name, _, amount = value.partition(":")
    if not amount:
        raise ConfigError(f"A shift needs its amount, such as shift={name}:0.1; got shift={value}.")
    shift = Shift.parse(name, amount.replace(":", ","))
    return {"shift": shift.setting}, shift


def _fault(value: str) -> tuple[Mapping[str, str], Change]:
    fault = None if value == NONE else Fault.parse(value)
    return {"fault": value}, fault
