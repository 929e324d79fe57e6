"""What of a configuration is recorded, and under which names."""

import dataclasses
import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import PurePath

from cnnexp.config.experiment import ExperimentConfig
from cnnexp.system.text import as_yaml

Scalar = str | int | float | bool

SETTINGS = "cnnexp.settings"  # tag, JSON: settings beside the parameters, those that comparisons seldom show

# A parameter is a setting that can change what is learned: places and the record itself cannot. What is null is left
# out, so that a column is empty where a setting is not in use.
INCONSEQUENTIAL = ("data.cache", "data.few_images", "data.uneven")  # neither a run nor a sweep is another for these
UNRECORDED = ("data.path", *INCONSEQUENTIAL, "tracking", "sweep")

# Settings that few runs touch: they are a column of a comparison where a run sets them itself, else kept in a tag.
SELDOM = (
    *(f"data.{name}" for name in ("antialias", "background", "calibration", "color", "jitter", "kernel", "mirror")),
    *(f"data.{name}" for name in ("resize", "split_seed", "test", "validation", "on_bad_file", "max_bad_files")),
    *(f"data.{name}" for name in ("root", "image", "label", "split", "group", "imbalance_of")),
    *(f"optimizer.{name}" for name in ("beta_1", "beta_2", "epsilon", "rho", "nesterov", "reference_batch_size")),
    *(f"augmentation.{name}" for name in ("flip", "shift", "zoom")),
    *("training", "training.monitor", "training.keep", "training.precision", "training.threads"),
)

ABBREVIATIONS = {"optimizer.learning_rate": "lr", "training.batch_size": "bs", "model.width": "w", "model.depth": "d"}
UNNAMED = (*INCONSEQUENTIAL, "tracking", "sweep", "training.threads")  # say nothing about what a run asks


def columns(config: ExperimentConfig, words: Sequence[str]) -> dict[str, Scalar]:
    """Return those `parameters` that a comparison shows: the usual ones, and what `words` set."""
    chosen = {word.lstrip("+").partition("=")[0] for word in words}
    return {name: value for name, value in parameters(config).items() if name not in SELDOM or name in chosen}


def beside(config: ExperimentConfig, words: Sequence[str]) -> dict[str, str]:
    """Return the other `parameters` as the tag that keeps them."""
    shown = columns(config, words)
    others = {name: as_yaml(value) for name, value in parameters(config).items() if name not in shown}
    return {SETTINGS: json.dumps(others)}


def parameters(config: ExperimentConfig) -> dict[str, Scalar]:
    """Return flat names and values: ``model`` is the option that was chosen, ``model.width`` a value of it."""
    recorded: dict[str, Scalar] = {}
    for group, settings in dataclasses.asdict(config).items():
        for key, value in settings.items() if isinstance(settings, dict) else [("", settings)]:
            name = group if key in ("", "name") else f"{group}.{key}"
            if value is not None and name not in UNRECORDED and group not in UNRECORDED:
                recorded[name] = value if isinstance(value, Scalar) else str(value)
    return recorded


def run_name(config: ExperimentConfig, overrides: Sequence[str]) -> str:
    """Return a short name that says what was asked for, such as ``regularized-sgd-bs64``.

    Args:
        config: the composed configuration.
        overrides: the words it was composed with, as Hydra records them; their order does not matter.

    """
    chosen = dict(word.lstrip("+").split("=", 1) for word in overrides if "=" in word and word[0] != "~")
    preset = chosen.pop("experiment", "")
    if not preset:
        chosen.setdefault("model", config.model.name)
    order = [field.name for field in dataclasses.fields(config)]
    order.append(order.pop(0))  # the seed last
    keys = sorted(chosen, key=lambda key: (order.index(key.split(".")[0]), key))
    words = [_word(key, chosen[key].strip("'\"")) for key in keys if not _unnamed(key)]
    return "-".join(word for word in (preset, *words) if word)


def _unnamed(key: str) -> bool:
    return key in UNNAMED or key.split(".", maxsplit=1)[0] in UNNAMED


def _word(key: str, value: str) -> str:
    group, _, name = key.partition(".")
    if key in ("data.path", "data.root"):
        return PurePath(value).name
    if name or group == "seed":
        label = ABBREVIATIONS.get(key, name or group)
        number = _number(value)
        return f"{label}_{value}" if number is None else f"{label}{number}"
    if value == "none":
        return f"no_{group}"
    return "" if value == "default" else value


def _number(text: str) -> str | None:
    """Return a number in short, a whole one in full; None where `text` is none."""
    with suppress(ValueError):
        return str(int(text))
    with suppress(ValueError):
        return f"{float(text):.4g}"
    return None
