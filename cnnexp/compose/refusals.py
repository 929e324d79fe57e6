"""Errors of Hydra and OmegaConf in one line: the rule, what came, what is allowed, what was probably meant."""

import re
import shlex
import traceback
from collections.abc import Callable, Sequence
from dataclasses import fields, is_dataclass
from types import NoneType, UnionType
from typing import get_args

from hydra.errors import MissingConfigException, OverrideParseException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import (
    ConfigAttributeError,
    ConfigKeyError,
    InterpolationResolutionError,
    MissingMandatoryValue,
    OmegaConfBaseException,
    ValidationError,
)

from cnnexp.compose.quote_texts import elements, is_text
from cnnexp.compose.schemas import ROOT, VARIANTS
from cnnexp.config import Override, all_settings, types_of, unquote, variants
from cnnexp.config.defaults import CONF, options
from cnnexp.errors import ConfigError
from cnnexp.system.text import closest, did_you_mean, first_line, one_line

IN_FILE = r"In '([^']+)'"  # beginning of Hydra's errors about a YAML file

READERS = ("hydra", "omegaconf", "yaml", "antlr4")

TYPES: dict[object, str] = {
    int: "a whole number",
    int | str: "a whole number or auto",
    float | int | str: "a number or auto",
    float | int | str | None: "a number, auto or null",
    float: "a number",
    bool: "true or false",
    str: "text",
    NoneType: "null",
    list[int]: "a list of whole numbers such as [28, 28]",
    list[float]: "a list of numbers such as [0.1, 0.2]",
    list[str]: "a list of words such as [a, b]",
}

SAID = {"training.freeze": "none, backbone or a whole number"}  # of settings that take other words than their type's


def came_from_hydra(error: Exception) -> bool:
    """Tell whether `error` was raised while configuration was read, by Hydra, OmegaConf or the YAML parser."""
    frames = list(traceback.walk_tb(error.__traceback__))
    return bool(frames) and frames[-1][0].f_globals["__name__"].split(".")[0] in READERS


def explain(error: Exception, overrides: Sequence[str] = ()) -> ConfigError:
    """Return the one-line refusal for `error`, which reading `overrides` (or the files they name) raised."""
    if isinstance(error, ConfigError):
        return error
    refusal = _refusal(_origin(error), overrides)
    file = re.match(IN_FILE, str(error))
    if file and file[1] != "config" and not file[1].startswith("hydra/"):
        return ConfigError(f"{file[1]}.yaml: {refusal}")
    return refusal


def _origin(error: Exception) -> Exception:
    """Return the OmegaConf error that Hydra wrapped, or `error` itself."""
    for inner in (error.__cause__, error.__context__):
        if isinstance(inner, OmegaConfBaseException):
            return inner
    return error


def _refusal(error: Exception, overrides: Sequence[str]) -> ConfigError:
    match error:
        case MissingConfigException():
            refusal = _unknown_option(error)
        case OverrideParseException():
            refusal = _unreadable(error.override)
        case MissingMandatoryValue():
            refusal = _no_value(str(error.full_key))
        case InterpolationResolutionError():
            refusal = ConfigError(
                f"{error.full_key or 'A setting'} points to nothing: {first_line(error).rstrip('.')}."
            )
        case ConfigKeyError() | ConfigAttributeError() if isinstance(error.parent_node, DictConfig):
            refusal = unknown_setting(str(error.full_key), error.parent_node)
        case ValidationError() if error.full_key:
            refusal = _wrong_type(str(error.full_key), error.value)
        case _:
            refusal = _by_text(error, overrides)
    return refusal


def unknown_setting(full_key: str, node: DictConfig) -> ConfigError:
    """Return the refusal of `full_key`, which is no field of `node`."""
    group, _, key = full_key.rpartition(".")
    owner = OmegaConf.get_type(node)
    if not is_dataclass(owner) or group.startswith("hydra"):
        hint = did_you_mean(key, map(str, node))
        return ConfigError(f"{full_key} is not a setting of Hydra; --cfg hydra shows all.{hint}")
    if group in VARIANTS and owner not in variants(group).values():
        return without_schema(group)
    known = [field.name for field in fields(owner) if field.name != "name"]
    subject = f"{group}={node['name']} has" if group in VARIANTS else f"{group} has" if group else "There is"
    message = f"{subject} no setting {key!r}; choose from {', '.join(known) or 'none'}."
    return ConfigError(f"{message} {_meant(key, group, known)}".rstrip())


def _meant(key: str, group: str, known: Sequence[str]) -> str:
    """Say where `key` belongs, or which setting it resembles."""
    having = [name for name, variant in variants(group).items() if key in _names(variant)]
    others = [option for name in having for option in _options_of(group, name)]
    if others:
        return f"{key} belongs to {group}={', '.join(others)}."
    near = closest(key, [*known, *([] if group else ["experiment"])])
    if near:
        return f"Did you mean {f'{group}.' if group else ''}{near}?"
    elsewhere = sorted(full for full in all_settings() if full.endswith(f".{key}"))
    return f"Did you mean {' or '.join(elsewhere)}?" if elsewhere else ""


def _options_of(group: str, variant: str) -> list[str]:
    """Return the options with the settings of a variant: that of its name, or those whose files begin with it."""
    if variant in options(group):
        return [variant]
    begin = f"/schema/{group}/{variant}@"
    return sorted(file.stem for file in (CONF / group).glob("*.yaml") if begin in file.read_text(encoding="utf-8"))


def _names(owner: type) -> set[str]:
    return {field.name for field in fields(owner)}


def without_schema(group: str) -> ConfigError:
    """Return the refusal of a YAML file of `group` that does not say which settings it has."""
    return ConfigError(
        f"The YAML file chosen for {group} names no schema, so its settings cannot be checked; begin it with an option "
        f"it differs from, as in defaults: [{options(group)[0]}, _self_], or with [/schema/{group}/X@_here_, _self_], "
        f"X one of {', '.join(VARIANTS[group])}."
    )


def no_folder(path: object) -> ConfigError:
    """Return the refusal of ``--config-dir`` where it is not a folder."""
    return ConfigError(f"--config-dir must be an existing folder; got {str(path)!r}.")


def set_by_option(group: str, value: str) -> ConfigError:
    """Return the refusal to rename an option, which would leave the settings of another one behind its name."""
    return ConfigError(f"{group}.name is set by the option; got {value!r}. Choose an option: {group}={value}.")


def _unknown_option(error: MissingConfigException) -> ConfigError:
    group, _, option = str(error.missing_cfg_file).rpartition("/")
    if not group:
        return ConfigError(f"--config-name must name a YAML file of the configuration folder; got {option!r}.")
    options = list(error.options or ())
    choices = f"choose from {', '.join(options)}" if options else "there is none yet"
    return ConfigError(f"{group}={option} does not exist; {choices}.{did_you_mean(option, options)}")


def _unreadable(override: str) -> ConfigError:
    if override.startswith("="):
        return ConfigError(f"{override!r} names no setting; a setting is written key=value.")
    if "=" not in override:
        return ConfigError(f"{override!r} is neither a command nor a setting; a setting is written key=value.")
    return ConfigError(
        f"{override!r} cannot be read; a setting is written key=value, and a value that is meant as one text stands in "
        f"quotes of its own inside those of the shell: {_in_quotes(Override.parse(override))}"
    )


def _in_quotes(override: Override) -> str:
    """Write an override for a shell, with its value as one text."""
    text = (override.value or "").replace('"', '\\"')
    return shlex.quote(f'{override.prefix}{override.key}="{text}"')


def _no_value(full_key: str) -> ConfigError:
    choices = options(full_key)
    allowed = f"choose {full_key}=X, X one of {', '.join(choices)}" if choices else f"write {full_key}=VALUE"
    return ConfigError(f"{full_key} has no value; {allowed}.")


def _wrong_type(full_key: str, value: object) -> ConfigError:
    group, _, name = re.sub(r"\[\d+\]$", "", full_key).partition(".")
    owners = types_of(group) if name else [ROOT]
    expected = [field.type for owner in owners for field in fields(owner) if field.name == (name or group)]
    if not expected:
        return ConfigError(f"{full_key} does not take the value {value!r}.")
    hint = f" Write {value:.0f}." if isinstance(value, float) and value.is_integer() else ""
    setting = full_key.partition("[")[0]
    return ConfigError(f"{setting} must be {SAID.get(setting) or _describe(expected[-1])}; got {_shown(value)}.{hint}")


def _describe(annotation: object) -> str:
    """Say what values a field of this type takes."""
    if is_dataclass(annotation):
        return "a group of settings"
    if annotation in TYPES:
        return TYPES[annotation]
    kinds = get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)
    return " or ".join(TYPES[kind] for kind in kinds)


def _shown(value: object) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return repr(value) if value != "" else "nothing"


def _by_text(error: Exception, overrides: Sequence[str]) -> ConfigError:
    """Refuse by the text of the error where Hydra has no type for it."""
    text = str(error)
    for pattern, answer in TEXTS.items():
        if found := re.match(pattern, text):
            return answer(found, error, overrides)
    reason = one_line(text.partition("See https")[0]).rstrip(".")
    return ConfigError(f"This cannot be composed: {' '.join(overrides)}. {reason or type(error).__name__}.")


def _several_values(found: re.Match[str], _error: Exception, overrides: Sequence[str]) -> ConfigError:
    named = found[1].partition("=")[0]
    texts = [one for one in map(Override.parse, overrides) if one.key == named and is_text(named)]
    if texts:
        typed = ",".join(unquote(one) for one in elements(texts[-1].value or ""))
        line = _in_quotes(Override(named, typed))
        return ConfigError(f"{named}={typed} names several values: add -m to run each, or write one text as {line}.")
    return ConfigError(f"{found[1]} names several values: add -m to run each, or write key=[a,b] for one list.")


def _no_folder(found: re.Match[str], _error: Exception, _overrides: Sequence[str]) -> ConfigError:
    return no_folder(found[1])


def _not_deleted(_found: re.Match[str], error: Exception, _overrides: Sequence[str]) -> ConfigError:
    key = error.full_key if isinstance(error, OmegaConfBaseException) else "A setting"
    return ConfigError(f"{key} cannot be deleted: every setting has a value. Give it another one.")


def _not_an_option(_found: re.Match[str], _error: Exception, overrides: Sequence[str]) -> ConfigError:
    """Find the override whose value is a number or null where the name of an option belongs."""
    for override in map(Override.parse, overrides):
        choices = options(override.key)
        if not override.key:
            return _unreadable(str(override))
        if choices and override.value not in choices:
            return ConfigError(f"{override} does not exist; choose from {', '.join(choices)}.")
    return ConfigError("A group takes the name of one of its options; --help lists them.")


# Beginnings of texts of Hydra 1.3 and OmegaConf 2.3; a test raises each, and fails when a library says it differently.
TEXTS: dict[str, Callable[[re.Match[str], Exception, Sequence[str]], ConfigError]] = {
    r"Ambiguous value for argument '(.+?)'": _several_values,  # a,b
    r"Sweep parameters '(.+?)' requires": _several_values,  # range(3), choice(a,b) and their like
    r"Config group override must be a string": _not_an_option,
    r"[\w ()]+ does not support deletion": _not_deleted,
    r"Additional config directory '(.+)' not found": _no_folder,
}
