"""A recorded run as a person would type it: the options of its groups, then the values that do not follow from them."""

import re
import shlex
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import TYPE_CHECKING

from cnnexp.compose.compose import compose_config
from cnnexp.config import AUTO, Override, names_affecting, numbers_or_words, types_of
from cnnexp.config.columns import FOUND, SETTINGS, values
from cnnexp.errors import ConfigError
from cnnexp.system.text import as_yaml

if TYPE_CHECKING:
    from cnnexp.records import RunSummary

_AS_TYPED = re.compile(r"[\w./:+*-]+|\[.*\]", re.ASCII)  # what Hydra takes without quotes
_NULL = "null"
_PATH = "data.path"  # is recorded with the data, not among the settings
_NEEDS_NO_PATH = "digits"


def typed_again(run: "RunSummary", named: Collection[str]) -> str | None:
    """Return the command that trains a run again with all of its settings, also those that its sweep did not vary.

    What this version's defaults say is left out, but for the settings and groups in `named`.

    None where this version cannot compose them, such as an option that code of the user's has added, and for a run
    that did not record all settings, such as an evaluation.
    """
    if SETTINGS not in run.tags or any(name.endswith(".code") for name in run.settings):
        return None
    recorded = dict(run.settings)
    if run.data_source is not None and recorded["data"] != _NEEDS_NO_PATH:
        recorded[_PATH] = run.data_source
    if FOUND in run.tags:
        recorded[run.tags[FOUND]] = AUTO
    try:
        return shlex.join(["cnnexp", *_overrides(recorded, named)])
    except ConfigError:
        return None


def _overrides(recorded: Mapping[str, str], named: Collection[str]) -> list[str]:
    sources = [_typed(name, recorded[name]) for name in _sources() if recorded.get(name, _NULL) != _NULL]
    chosen = [f"{name}={recorded[name]}" for name in named if name in recorded and _is_group(name)]
    while True:  # an option may choose those of other groups, which then need not be typed
        composed = _composed((*chosen, *(one for one in sources if _group(one) in map(_group, chosen))))
        groups = [name for name in composed if _is_group(name) and name in recorded]
        options = [f"{name}={recorded[name]}" for name in groups if composed[name] != recorded[name]]
        missing = [one for one in options if one not in chosen]
        if not missing:
            break
        chosen.append(missing[0])
    others = [name for name in composed if name not in groups and name not in _sources()]
    typed = [name for name in others if name in named or _value(name, recorded) != composed[name]]
    return [*chosen, *sources, *_values(typed, recorded)]


@cache
def _is_group(name: str) -> bool:
    return bool(types_of(name))


@cache
def _sources() -> tuple[str, ...]:
    return names_affecting("source")


def _group(text: str) -> str:
    return Override.parse(text).key.partition(".")[0]


@cache
def _composed(overrides: tuple[str, ...]) -> Mapping[str, str]:
    return {name: as_yaml(value) for name, setting, value in values(compose_config(overrides)) if setting.is_recorded}


def _value(name: str, recorded: Mapping[str, str]) -> str:
    """Return what was asked for; a number that is found before training is not recorded where nothing was found."""
    return recorded.get(name, AUTO if name in numbers_or_words() else _NULL)


def _values(names: Iterable[str], recorded: Mapping[str, str]) -> list[str]:
    ordered = sorted(names, key=lambda name: (name == "seed", name))
    return [_typed(name, _value(name, recorded)) for name in ordered]


def _typed(name: str, value: str) -> str:
    return f"{name}={value}" if _AS_TYPED.fullmatch(value) else str(Override.setting(name, value))
