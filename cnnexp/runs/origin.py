"""What the numbers of a run come from, and what of it has changed since a checkpoint was saved."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cnnexp.config import ExperimentConfig
from cnnexp.config.columns import extensions_of
from cnnexp.datasets import Splits
from cnnexp.records import PretrainedNetwork
from cnnexp.runs.resolved_settings import ResolvedSettings
from cnnexp.system import resources

# What a training cannot go on with to the same numbers, or to any that mean something.
_NEEDED = ("data", "weights", "processor", "threads", "precision", "oneDNN", "device", "deterministic")
_IN_WORDS = {"data": "digest of the data", "weights": "digest of the weights it started from"}
_UNNAMED = {"device": "the processor", "deterministic": "true"}  # where nothing is said, as before there were others


@dataclass(frozen=True, slots=True)
class Changes:
    """What has changed, each as a text such as "keras 3.15.1 instead of 3.14.0"."""

    fatal: tuple[str, ...]  # training cannot go on to the same numbers
    others: tuple[str, ...]


def origin_of(
    config: ExperimentConfig, splits: Splits, settings: ResolvedSettings, pretrained: PretrainedNetwork | None
) -> dict[str, str]:
    """Return what the numbers of a run come from, name -> plain text."""
    environment = settings.environment
    flags = hashlib.sha256(" ".join(sorted(resources.processor_flags())).encode()).hexdigest()[:8]
    return {
        "data": splits.digest[:12],
        "weights": "none" if pretrained is None or pretrained.digest is None else pretrained.digest[:12],
        "processor": f"{environment['processor']} ({flags})",
        "threads": str(settings.threads),
        "precision": settings.precision,
        "oneDNN": environment["onednn"],
        **_of_device(settings, environment),
        **{f"code of {one}": one.code.digest[:8] for one in extensions_of(config)},
        **environment["versions"],
    }


def _of_device(settings: ResolvedSettings, environment: Mapping[str, Any]) -> dict[str, str]:
    """Return what is other than the processor, and other than deterministic."""
    device = settings.device
    named = {"device": device.name} if device.gpus or device.machines > 1 else {}
    driver = {"driver": str(environment.get("driver"))} if device.gpus else {}
    return named | driver | ({} if settings.deterministic else {"deterministic": "false"})


def changes(before: Mapping[str, Any], now: Mapping[str, str]) -> Changes:
    """Return what has changed."""
    names = [name for name in {**before, **now} if before.get(name) != now.get(name)]
    unnamed = {name: _UNNAMED.get(name, "none") for name in names}
    texts = {
        name: f"{_IN_WORDS.get(name, name)} {now.get(name, none)} instead of {before.get(name, none)}"
        for name, none in unnamed.items()
    }
    return Changes(
        fatal=tuple(texts[name] for name in names if name in _NEEDED),
        others=tuple(texts[name] for name in names if name not in _NEEDED),
    )
