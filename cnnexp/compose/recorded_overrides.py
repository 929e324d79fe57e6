"""The configuration that a run recorded, as overrides that compose it again."""

from collections.abc import Iterator, Sequence

import yaml

from cnnexp.config import Override
from cnnexp.config.defaults import options
from cnnexp.errors import ConfigError

_ELSEWHERE = ("sweep", "tracking", "hydra")  # where a run came from and went to, not what it did


def recorded_overrides(config_yaml: str) -> list[str]:
    """Return the choice of each group and each of its values, but for store and sweep, of a recorded config.yaml.

    Raises:
        ConfigError: an option was code of the user's, and is not there: the default in its place would be another run.

    """
    whole = yaml.safe_load(config_yaml)
    return [override for key, value in whole.items() if key not in _ELSEWHERE for override in _overrides(key, value)]


def _overrides(key: str, value: object) -> Iterator[str]:
    if not isinstance(value, dict):
        yield str(Override.setting(key, value))
        return
    name, known = value.get("name"), options(key)
    if name in known:
        yield f"{key}={name}"
    elif name is not None and known:
        raise ConfigError(
            f"The run has {key}={name}, which is not there now; there are {', '.join(known)}. It was code of your own: "
            "add --extend FILE in front (its text is in the run's artifacts extensions/)."
        )
    for name, one in value.items():
        if name != "name" and (key, name, one) != ("data", "scaling", "model"):  # which model=... chooses itself
            yield str(Override.setting(f"{key}.{name}", one))


def changed_overrides(recorded: Sequence[str], changed: Sequence[str]) -> list[str]:
    """Return overrides with some of them changed, as a person would retype them.

    Where another option of a group is chosen, the values that the group had do not stay: they may be those that are to
    go, and the other option may not have such settings.
    """
    keys = {Override.parse(text).key for text in changed}
    kept = [text for text in recorded if (key := Override.parse(text).key) not in keys and not _belongs(key, keys)]
    return [*kept, *changed]


def _belongs(key: str, groups: set[str]) -> bool:
    return key.partition(".")[0] in groups and "." in key
