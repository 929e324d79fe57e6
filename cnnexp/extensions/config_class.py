"""The dataclass of an added option: the settings of its group, with the user's own."""

import dataclasses
import types
from collections.abc import Callable
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from cnnexp.config import ExperimentConfig, all_settings, types_of
from cnnexp.config.extended import Extended, Extension
from cnnexp.config.setting import one_of, setting_like
from cnnexp.errors import CnnexpError, ConfigError
from cnnexp.system.text import one_line

_KINDS = (bool, int, float, str, list[int], list[float], list[str])
_RESERVED = ("name", "code")  # what is recorded of an option beside its settings
_ALLOWED = "bool, int, float, str, a Literal of texts, a list of int, float or str, or one of these | None"


def config_class(extension: Extension, *, reduce: Callable[[Any], tuple[Any, ...]]) -> type[Extended]:
    """Make the class of an option, whose objects are pickled as `reduce` says.

    Raises:
        ConfigError: the user's class is no dataclass, or one of its fields cannot be a setting.

    """
    owned = own_fields(extension)
    base = _base_of(extension.group)
    inherited = {field.name for field in dataclasses.fields(base)}
    fields = [
        (name, kind, setting_like(all_settings().get(f"{extension.group}.{name}")))
        for name, kind in owned.items()
        if name not in inherited
    ]
    namespace = {"__post_init__": _checked, "__reduce__": reduce, "__doc__": extension.function.__doc__}
    made: Any = dataclasses.make_dataclass(
        f"{extension.name}_{extension.group}",
        fields,
        bases=(base, Extended),
        kw_only=True,
        slots=True,
        namespace=namespace,
    )
    made.extension = extension
    of_user: type[Extended] = made
    return of_user


def _base_of(group: str) -> type:
    """Return the class that every option of a group is made from."""
    base = next(field.type for field in dataclasses.fields(ExperimentConfig) if field.name == group)
    assert isinstance(base, type)
    return base


def own_fields(extension: Extension) -> dict[str, Any]:
    """Return name and type of the user's settings, as configurations know types."""
    owner = extension.settings
    if owner is None:
        return {}
    if not (isinstance(owner, type) and dataclasses.is_dataclass(owner)):
        raise ConfigError(
            f"The settings of {extension} must be a dataclass; got {owner!r}. Write @dataclass above the class, and "
            "name the class."
        )
    hints = get_type_hints(owner, include_extras=True)
    names = [field.name for field in dataclasses.fields(owner) if field.init]
    return {name: _kind(extension, name, hints[name]) for name in names}


def _kind(extension: Extension, name: str, hint: Any) -> Any:  # noqa: ANN401 - a type, or a union of types
    parts = get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)
    kinds = [str if is_choice(part) else part for part in parts if part is not types.NoneType]
    if name in _RESERVED or len(kinds) != 1 or kinds[0] not in _KINDS:
        rule = f"has a type that is none of them: {_shown(hint)}"
        if name in _RESERVED:
            rule = "is recorded of every option"
        raise ConfigError(f"A setting of {extension} must be {_ALLOWED}; {name} {rule}. Change it.")
    kind = kinds[0] | None if types.NoneType in parts else kinds[0]
    _refuse_other_meaning(extension, name, kind)
    return kind


def is_choice(hint: object) -> bool:
    """Tell whether a type is a Literal of texts."""
    return get_origin(hint) is Literal and all(isinstance(choice, str) for choice in get_args(hint))


def _refuse_other_meaning(extension: Extension, name: str, kind: object) -> None:
    """Refuse a setting that has another type in the other options of its group."""
    for owner in types_of(extension.group):
        for field in dataclasses.fields(owner):
            if field.name == name and not _without_none(kind) <= _without_none(field.type):
                raise ConfigError(
                    f"A setting has the same type in all options of a group; {extension.group}.{name} is "
                    f"{_shown(field.type)} in others and {_shown(kind)} in {extension}. Give it another name or type."
                )


def _without_none(kind: object) -> set[object]:
    kinds = get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    return {one for one in kinds if one is not types.NoneType}


def _shown(kind: object) -> str:
    return kind.__name__ if isinstance(kind, type) and not get_args(kind) else str(kind).removeprefix("typing.")


def own_defaults(extension: Extension) -> dict[str, Any]:
    """Return the values that the user's class gives its settings; one without is to be set by whoever runs it."""
    values = {}
    for field in dataclasses.fields(extension.settings) if extension.settings is not None else ():
        if field.init and field.default is not dataclasses.MISSING:
            values[field.name] = field.default
        elif field.init and field.default_factory is not dataclasses.MISSING:
            values[field.name] = field.default_factory()
    return values


def _checked(self: Any) -> None:  # noqa: ANN401 - an object of the class that is made here
    """Check the values: the group's by its own rules, the user's by the user's."""
    extension: Extension = self.extension
    check = getattr(_base_of(extension.group), "__post_init__", None)
    if check is not None:
        check(self)
    for name, choices in _choices(extension).items():
        if getattr(self, name) is not None:
            one_of(f"{extension.group}.{name}", getattr(self, name), choices)
    try:
        self.own()
    except CnnexpError:
        raise
    except Exception as error:  # whatever the user's class raises about its values
        reason = one_line(error) or type(error).__name__
        raise ConfigError(f"{extension} refuses its settings: {reason.rstrip('.')}.") from error


def _choices(extension: Extension) -> dict[str, tuple[str, ...]]:
    """Return the texts that each setting of the user's may be, of those that are a Literal."""
    if extension.settings is None:
        return {}
    hints = get_type_hints(extension.settings)
    found = {name: [part for part in (get_args(hint) or ()) if is_choice(part)] for name, hint in hints.items()}
    return {
        name: get_args(hint) if is_choice(hint) else get_args(found[name][0])
        for name, hint in hints.items()
        if is_choice(hint) or found[name]
    }
