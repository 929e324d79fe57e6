"""Values of settings as people read them; what is recorded, and what can be typed, stays as it is."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import PurePath

from cnnexp.config.experiment import all_settings
from cnnexp.config.override import unquote
from cnnexp.config.setting import Setting
from cnnexp.system.text import as_yaml, shortened

_MOST_LETTERS = 40  # of one value among others


def shown_value(name: str, value: str) -> str:
    """Return a value of the setting `name`, as recorded or typed, such as 96×128 for a size of [96,128].

    Other lists have a blank after each comma, and no quotes but where an element has a comma of its own.
    """
    values = as_list(value)
    if not values:
        return unquote(value)
    if all_settings().get(name, Setting()).is_size:
        return "×".join(values)
    return f"[{', '.join(repr(one) if ',' in one else one for one in values)}]"


def as_list(value: str) -> list[str] | None:
    """Return the elements of a list that is written as Hydra, YAML or Python write it; None where it is no list."""
    import yaml  # which few values need

    text = value.strip()
    if not (text.startswith("[") and text.endswith("]")):
        return None
    with suppress(yaml.YAMLError):
        elements = yaml.safe_load(text)
        if isinstance(elements, list) and all(one is None or isinstance(one, str | int | float) for one in elements):
            return [as_yaml(one) for one in elements]
    return None


def short_number(text: str) -> str | None:
    """Return a number in short, a whole one in full; None where `text` is not a number."""
    with suppress(ValueError):
        return str(int(text))
    with suppress(ValueError):
        return f"{float(text):.4g}"
    return None


def label_of(varied: Mapping[str, str]) -> str:
    """Return what tells a run from the others of its sweep: "lr 0.003, size 96×96, seed 1"."""
    return ", ".join(_said(key, value) for key, value in varied.items())


def _said(key: str, value: str) -> str:
    group, _, name = key.partition(".")
    described = all_settings().get(key, Setting())
    text = shown_value(key, value)
    if not name and group != "seed":
        return f"no {group}" if text == "none" else f"{group} default" if text == "default" else text
    label = described.short or (name or group).replace("_", " ")
    return f"no {label}" if text == "null" else f"{label} {short_number(text) or shortened(text, most=_MOST_LETTERS)}"


def told_apart(paths: Sequence[str]) -> dict[str, str]:
    """Return path -> its last parts, as many as tell these paths apart."""
    for parts in range(1, max((len(PurePath(path).parts) for path in paths), default=0) + 1):
        ends = {path: str(PurePath(*PurePath(path).parts[-parts:])) if path else path for path in paths}
        if len(set(ends.values())) == len(set(paths)):
            return ends
    return {path: path for path in paths}
