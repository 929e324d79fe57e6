"""From YAML files and a command line's overrides to one typed configuration; nothing below knows Hydra or OmegaConf."""

from cnnexp.compose.check_sweep import check_sweep, refuse_too_many
from cnnexp.compose.compose import (
    check_overrides,
    compose_config,
    replaces_one_value,
    slurm_settings,
    to_typed,
    to_yaml,
    with_values,
)
from cnnexp.compose.hydra_flags import config_dir_of, read_command_line
from cnnexp.compose.quote_texts import quote_texts
from cnnexp.compose.recorded_overrides import changed_overrides, recorded_overrides
from cnnexp.compose.refusals import came_from_hydra, explain
from cnnexp.compose.run_command import run_command
from cnnexp.compose.schemas import register_added
from cnnexp.compose.typed_again import typed_again
from cnnexp.config.columns import columns, other_settings, parameters, run_name

__all__ = [
    "came_from_hydra",
    "changed_overrides",
    "check_overrides",
    "check_sweep",
    "columns",
    "compose_config",
    "config_dir_of",
    "explain",
    "other_settings",
    "parameters",
    "quote_texts",
    "read_command_line",
    "recorded_overrides",
    "refuse_too_many",
    "register_added",
    "replaces_one_value",
    "run_command",
    "run_name",
    "slurm_settings",
    "to_typed",
    "to_yaml",
    "typed_again",
    "with_values",
]
