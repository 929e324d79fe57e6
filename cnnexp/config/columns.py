"""What of a configuration is recorded, and under which names."""

import dataclasses
import json
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from cnnexp.config.experiment import ExperimentConfig, all_settings, numbers_or_words
from cnnexp.config.extended import Extended, Extension
from cnnexp.config.optimizer import AUTO
from cnnexp.config.override import Override, unquote, values_of
from cnnexp.config.setting import Setting, settings_of
from cnnexp.config.shown_values import as_list, short_number
from cnnexp.system.text import as_yaml

Scalar = str | int | float | bool

FOUND = "cnnexp.found"  # tag: the setting that was auto; its parameter is what was found before training
SETTINGS = "cnnexp.settings"  # tag, JSON: the recorded settings that are no parameters


def columns(config: ExperimentConfig, overrides: Sequence[str]) -> dict[str, Scalar]:
    """Return those `parameters` that a comparison shows: the usual ones, and what `overrides` set."""
    chosen = {Override.parse(text).key for text in overrides}
    seldom = {name for name, setting, _ in values(config) if setting.column == "if set"} - chosen
    return {name: value for name, value in parameters(config).items() if name not in seldom}


def other_settings(config: ExperimentConfig, overrides: Sequence[str]) -> dict[str, str]:
    """Return the other `parameters` as the tag that keeps them."""
    shown = columns(config, overrides)
    others = {name: as_yaml(value) for name, value in parameters(config).items() if name not in shown}
    return {SETTINGS: json.dumps(others)}


def parameters(config: ExperimentConfig) -> dict[str, Scalar]:
    """Return flat names and values: ``model`` is the option that was chosen, ``model.width`` a value of it.

    A parameter is a setting that can change what is learned; places and the record itself cannot. What is null is left
    out, so that a column is empty where a setting is not in use; a number that is found before training is recorded
    then. Code that a user has added is one too, such as ``model.code``, so that a comparison shows what was edited
    between runs.
    """
    settings = {
        name: value
        for name, setting, value in values(config)
        if setting.is_recorded and value is not None and not (value == AUTO and name in numbers_or_words())
    }
    return settings | {f"{one.group}.code": f"{one.code.name}@{one.code.digest[:8]}" for one in extensions_of(config)}


def values(config: ExperimentConfig) -> Iterator[tuple[str, Setting, Scalar | None]]:
    """Yield full name, description and value of every setting; a list as text."""
    for field in dataclasses.fields(config):
        group = getattr(config, field.name)
        if not dataclasses.is_dataclass(group):
            yield field.name, settings_of(config)[field.name], _scalar(group)
            continue
        described = settings_of(group, group=field.name)
        for (name, setting), key in zip(described.items(), dataclasses.fields(group), strict=True):
            yield name, setting, _scalar(getattr(group, key.name))


def extensions_of(config: ExperimentConfig) -> list[Extension]:
    """Return those options of users that a configuration has chosen."""
    groups = [getattr(config, field.name) for field in dataclasses.fields(config)]
    return [group.extension for group in groups if isinstance(group, Extended)]


def _scalar(value: object) -> Scalar | None:
    return value if value is None or isinstance(value, Scalar) else str(value)


def run_name(config: ExperimentConfig, overrides: Sequence[str]) -> str:
    """Return a short name that says what was asked for, such as ``regularized-sgd-bs64``.

    Args:
        config: the composed configuration.
        overrides: those it was composed with, as Hydra records them; their order does not matter.

    """
    chosen = values_of(overrides)
    preset = chosen.pop("experiment", "")
    if not preset:
        chosen.setdefault("model", config.model.name)
    order = [field.name for field in dataclasses.fields(config)]
    order.append(order.pop(0))  # the seed last
    keys = sorted(chosen, key=lambda key: (order.index(key.split(".")[0]), key))
    parts = [_part(key, unquote(chosen[key])) for key in keys if _is_named(key)]
    return "-".join(part for part in (preset, *parts) if part)


def _is_named(key: str) -> bool:
    """Tell whether the name of a run mentions a setting, or the option of a group that has one which is mentioned."""
    described = all_settings()
    if key in described:
        return described[key].is_named
    return any(setting.is_named for name, setting in described.items() if f"{name}.".startswith(f"{key}."))


def _part(key: str, value: str) -> str:
    setting = all_settings().get(key, Setting())
    group, _, name = key.partition(".")
    if setting.affects == "source":
        return PurePath(value).name
    if name or group == "seed":
        label = setting.short or name or group
        number = short_number(value)
        if (elements := as_list(value)) is not None:
            return f"{label}{'x'.join(elements)}" if setting.is_size else f"{label}_{'_'.join(elements)}"
        return f"{label}_{value}" if number is None else f"{label}{number}"
    if value == "none":
        return f"no_{group}"
    return "" if value == "default" else value
