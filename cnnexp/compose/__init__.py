"""From YAML files and command-line words to one typed configuration; nothing below knows Hydra or OmegaConf."""

from cnnexp.compose.compose import (
    check_words,
    compose_config,
    only_replaces_a_value,
    quote_home,
    to_typed,
    to_yaml,
    with_values,
)
from cnnexp.compose.overrides import check_sweep
from cnnexp.compose.refusals import came_from_hydra, explain
from cnnexp.compose.schemas import CONF
from cnnexp.config.columns import columns, other_settings, parameters, run_name

__all__ = [
    "CONF",
    "came_from_hydra",
    "check_sweep",
    "check_words",
    "columns",
    "compose_config",
    "explain",
    "only_replaces_a_value",
    "other_settings",
    "parameters",
    "quote_home",
    "run_name",
    "to_typed",
    "to_yaml",
    "with_values",
]
