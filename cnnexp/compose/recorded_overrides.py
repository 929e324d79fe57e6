"""The configuration that a run recorded, as overrides that compose it again."""

from collections.abc import Iterator

import yaml

from cnnexp.config import Override
from cnnexp.config.defaults import options

_ELSEWHERE = ("sweep", "tracking", "hydra")  # where a run came from and went to, not what it did


def recorded_overrides(config_yaml: str) -> list[str]:
    """Return the choice of each group and each of its values, but for store and sweep, of a recorded config.yaml."""
    whole = yaml.safe_load(config_yaml)
    return [override for key, value in whole.items() if key not in _ELSEWHERE for override in _overrides(key, value)]


def _overrides(key: str, value: object) -> Iterator[str]:
    if not isinstance(value, dict):
        yield str(Override.setting(key, value))
        return
    if value.get("name") in options(key):
        yield f"{key}={value['name']}"
    for name, one in value.items():
        if name != "name" and (key, name, one) != ("data", "scaling", "model"):  # which model=... chooses itself
            yield str(Override.setting(f"{key}.{name}", one))
