"""What a run was asked for: the command that repeats it, and the settings by which it differs from the defaults."""

from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from cnnexp.compose.compose import compose_config
from cnnexp.config import ExperimentConfig, Override
from cnnexp.config.columns import extensions_of, values
from cnnexp.system.secrets import masked
from cnnexp.system.text import as_yaml

if TYPE_CHECKING:
    from cnnexp.records import RunCommand


def run_command(config: ExperimentConfig, overrides: Sequence[str]) -> "RunCommand":
    """Return what a run was asked for.

    Args:
        config: Composed with the overrides.
        overrides: Those of one run, perhaps of a sweep; what they say to Hydra and about the sweep is left out.

    """
    from cnnexp.records import RunCommand  # and with it NumPy, which no refused command line waits for

    default, typed = _defaults(), {Override.parse(text).key for text in overrides}
    return RunCommand(
        overrides=tuple(masked(text) for text in overrides if _is_of_the_run(Override.parse(text).key)),
        extend=tuple(dict.fromkeys(one.code.argument for one in extensions_of(config))),
        changed={
            name: (masked(value), default.get(name))
            for name, value in _recorded(config).items()
            # a setting that only the chosen option has, such as optimizer.momentum of sgd, counts where it is typed
            if (default[name] != value if name in default else name in typed)
        },
    )


def _is_of_the_run(key: str) -> bool:
    """Tell whether an override is about a run: the settings of a sweep change no run, and single runs refuse some."""
    return key.replace("/", ".").partition(".")[0] not in ("hydra", "sweep")


@cache
def _defaults() -> dict[str, str]:
    return _recorded(compose_config([]))


def _recorded(config: ExperimentConfig) -> dict[str, str]:
    """Return the settings that can change what is learned, null ones too, as YAML writes them."""
    return {name: as_yaml(value) for name, setting, value in values(config) if setting.is_recorded}
