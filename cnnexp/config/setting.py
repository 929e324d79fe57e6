"""What a setting says of itself in its own field, and the two rules that most values are checked by.

A field declared without ``= setting(...)`` is a plain ``setting()``. Whatever treats settings differently asks here:
run hash and sweep hash, the columns of a comparison and its warnings, run names, paths that begin with ``~``. No other
module lists names of settings.
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, dataclass_transform

from cnnexp.errors import ConfigError
from cnnexp.system.text import as_yaml, did_you_mean

Effect = Literal[
    "result",  # what is learned; whatever does not say otherwise
    "split",  # which images are trained on and which are judged
    "subset",  # how many of the images are used; null uses all of them
    "machine",  # how the machine computes: results differ in the last digits
    "chance",  # nothing but luck: runs that differ in it alone are repetitions of one another
    "label",  # nothing by itself: the name of an option whose values are settings, which count instead
    "source",  # where the data are read from; their digest tells two data sets apart, and no path does
    "place",  # where files are kept
    "report",  # what is recorded and reported of a run, and where
    "sweep",  # which runs a sweep has, and which sweep they belong to
    "execution",  # how the runs of a sweep are carried out
    "command",  # what one command does; a later one that resumes its sweep does not repeat it
]
Column = Literal["always", "if set", "never"]

_LEARNED = ("result", "split", "subset", "machine", "chance")
_RECORDED = (*_LEARNED, "label", "source")
PATHS = ("source", "place")

T = TypeVar("T")

_NO_NEUTRAL = object()
_KEY = "cnnexp"  # of a field's metadata


@dataclass(frozen=True, slots=True)
class Setting:
    """What a setting affects and how it is shown."""

    affects: Effect = "result"
    column: Column = "always"  # of a comparison: always, or only where a run sets it itself; never: nor a parameter
    short: str | None = None  # label in run names; None: the setting's own name; empty: not named
    is_size: bool = False  # a list of sides, read as 96×128
    neutral: Any = _NO_NEUTRAL  # value that means "as before this setting existed"
    unhashed: Any = _NO_NEUTRAL  # what the neutral value comes to for runs that are those of before

    @property
    def is_recorded(self) -> bool:
        """Whether it is a parameter of a recorded run."""
        return self.affects in _RECORDED and self.column != "never"

    @property
    def is_named(self) -> bool:
        """Whether the name of a run mentions it."""
        return self.affects in _RECORDED and self.short != ""

    @property
    def has_neutral(self) -> bool:
        """Whether there is a value that means "as before this setting existed"."""
        return self.neutral is not _NO_NEUTRAL

    @property
    def has_unhashed(self) -> bool:
        """Whether its neutral value is decided for each run."""
        return self.unhashed is not _NO_NEUTRAL

    @property
    def varies_runs(self) -> bool:
        """Whether a comparison may ask what it changes: repetitions and places answer nothing."""
        return self.affects in _RECORDED and self.affects != "chance"

    def in_run_hash(self, value: object) -> bool:
        """Tell whether two runs that differ in this value are different runs; null is a setting that is not in use."""
        return self.affects in _LEARNED and value not in (None, self.unhashed) and not self.is_neutral(value)

    def in_sweep_hash(self, value: object) -> bool:
        """Tell whether two sweeps that differ in this value are different sweeps."""
        return self.affects in (*_RECORDED, "sweep") and not self.is_neutral(value)

    def is_neutral(self, value: object) -> bool:
        """Tell whether a value, or the text that an override has for it, means "as before this setting existed"."""
        return self.has_neutral and value in (self.neutral, as_yaml(self.neutral))


def setting(
    *,
    affects: Effect = "result",
    column: Column = "always",
    short: str | None = None,
    is_size: bool = False,
    neutral: object = _NO_NEUTRAL,
    unhashed: object = _NO_NEUTRAL,
    required: bool = False,
) -> Any:  # noqa: ANN401 - what `dataclasses.field` returns
    """Declare what a field of a `settings` class affects, such as the machine, and how it is shown.

    A setting that is added to a program whose runs are recorded takes a `neutral` value, at which it stays out of run
    and sweep hashes: what was run before is then still the same run. YAML files of users that were written before, and
    do not name it, have that value, unless it is `required`: older than its namesake in another class of its group.
    Where the neutral value is decided for each run, as auto is, `unhashed` is the decision that stays out of the hash.
    """
    described = Setting(
        affects=affects, column=column, short=short, is_size=is_size, neutral=neutral, unhashed=unhashed
    )
    metadata = {_KEY: described}
    if required or neutral is _NO_NEUTRAL:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(metadata=metadata, default=neutral)


def setting_like(other: Setting | None) -> Any:  # noqa: ANN401 - what `dataclasses.field` returns
    """Declare a field that says of itself what the setting `other` does; None: a plain one."""
    return dataclasses.field(metadata={_KEY: Setting() if other is None else other})


@dataclass_transform(kw_only_default=True, field_specifiers=(setting,))
def settings(owner: type[T]) -> type[T]:
    """Make a class of settings: a dataclass whose fields may say what they are by :func:`setting`."""
    return dataclass(kw_only=True, slots=True)(owner)


def settings_of(owner: Any, *, group: str = "") -> dict[str, Setting]:  # noqa: ANN401 - a dataclass or an object of one
    """Return what each field of a dataclass says of itself.

    The names are full, such as ``training.epochs``, where a `group` is given; the group's own is its chosen option.
    """
    described = {}
    for field in dataclasses.fields(owner):
        name = group if group and field.name == "name" else ".".join(filter(None, (group, field.name)))
        described[name] = field.metadata.get(_KEY, _PLAIN)
    return described


_PLAIN = Setting()


def one_of(name: str, value: str, allowed: Sequence[str]) -> None:
    """Require one of the values `allowed`."""
    if value not in allowed:
        raise ConfigError(
            f"{name} must be one of {', '.join(allowed)}; got {value!r}.{did_you_mean(str(value), allowed)}"
        )


def within(
    name: str,
    value: float | None,
    low: float,
    high: float = math.inf,
    *,
    above: bool = False,
    below: bool = False,
) -> None:
    """Require ``low <= value <= high``; ``above`` and ``below`` make a bound strict; None passes."""
    if value is None:
        return
    finite = math.isfinite(value)
    if finite and (value > low if above else value >= low) and (value < high if below else value <= high):
        return
    bounds = f"{'above' if above else 'at least'} {low}"
    if math.isfinite(high):
        bounds += f" and {'below' if below else 'at most'} {high}"
    elif not finite:
        bounds += " and finite"
    raise ConfigError(f"{name} must be {bounds}; got {value}.")
