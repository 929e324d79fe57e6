"""Text as it was typed: Hydra's grammar knows no ``jürgen`` or ``a=b``, and reads ``true`` and ``1e5`` as other things.

Values of settings of type text are quoted where that makes a difference, so that a path or a name needs no quotes of
its own. What Hydra reads as the text that was typed stays untouched, and so do its own notations: a list of values,
``choice(a,b)``, ``${oc.env:HOME}``, quotes and escapes.
"""

import dataclasses
import re
from collections.abc import Iterator, Sequence
from dataclasses import fields
from functools import cache

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from cnnexp.config import Override, quote, types_of

_ELEMENT = re.compile(
    r"""\s*(?P<quote>['"])(?:(?!(?P=quote))[^\\]|\\.)*(?P=quote)\s*(?=,|$)"""  # quoted as a whole
    r"""|(?:\\.|[(\[{][^()\[\]{}]*[)\]}]|[^,])*"""  # brackets hold commas together
)


def quote_texts(overrides: Sequence[str]) -> list[str]:
    """Quote the values of text settings that Hydra would refuse or read as something else; leave all others alone."""
    return [str(_quoted(Override.parse(text))) for text in overrides]


def is_text(key: str) -> bool:
    """Tell whether `key` is the full name of a setting of type text."""
    return _type_of(key) in (str, str | None)


def _quoted(override: Override) -> Override:
    if override.value is None:
        return override
    kind = _type_of(override.key)
    if kind in (str, str | None):
        value = _each(override.value, null=kind == str | None)
    elif kind in (list[str], list[str] | None):
        value = ",".join(_list(one) for one in elements(override.value))
    else:
        return override
    return dataclasses.replace(override, value=value)


def _type_of(key: str) -> object:
    """Return the type that a setting is declared with; None where there is no such setting."""
    group, _, name = key.partition(".")
    declared = [field.type for owner in types_of(group) for field in fields(owner) if name and field.name == name]
    return declared[0] if declared else None


def _each(value: str, *, null: bool) -> str:
    several = elements(value)
    if len(several) == 1:
        return _text(value, null=null)
    return ",".join(_text(one.strip(), null=null) for one in several)


def _list(value: str) -> str:
    inside = value.strip()
    if not (inside.startswith("[") and inside.endswith("]")):
        return value
    return f"[{_each(inside[1:-1], null=False)}]"


def elements(value: str) -> list[str]:
    """Split a value at the commas outside quotes and brackets: what a sweep runs one after the other."""
    return list(_elements(value))


def _elements(value: str) -> Iterator[str]:
    place = 0
    while True:
        found = _ELEMENT.match(value, place)
        assert found is not None  # the second form matches anything
        yield found[0]
        if found.end() >= len(value):
            return
        place = found.end() + 1  # the comma


def _text(typed: str, *, null: bool) -> str:
    """Quote one text, unless Hydra reads it as it is typed; `null` says that null means no text."""
    if not typed.strip() or _is_call(typed) or _is_read_back(typed, null=null):
        return typed
    return quote(typed)


def _is_read_back(typed: str, *, null: bool) -> bool:
    try:
        value = OverridesParser.create().parse_override(f"key={typed}").value()
    except HydraException:
        return False
    if value is None:
        return null
    return typed == typed.strip() if isinstance(value, str) else str(value) == typed


def _is_call(typed: str) -> bool:
    """Tell whether a value calls one of the functions that Hydra knows, such as ``choice(a,b)``."""
    called = re.match(r"\s*(\w+)\(.*\)\s*$", typed, re.DOTALL)
    return called is not None and called[1] in _functions()


@cache
def _functions() -> frozenset[str]:
    return frozenset(OverridesParser.create().functions.functions)
