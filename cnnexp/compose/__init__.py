"""From YAML files and command-line words to one typed configuration; nothing below knows Hydra or OmegaConf."""

from cnnexp.compose.composing import check_words, compose_config, quote_home, to_typed
from cnnexp.compose.folder import CONF
from cnnexp.compose.recorded import INCONSEQUENTIAL, beside, columns, parameters, run_name, to_yaml
from cnnexp.compose.refusals import came_from_hydra, explain
from cnnexp.compose.sweeps import check_sweep
from cnnexp.compose.values import only_replaces_a_value, with_values

__all__ = [
    "CONF",
    "INCONSEQUENTIAL",
    "beside",
    "came_from_hydra",
    "check_sweep",
    "check_words",
    "columns",
    "compose_config",
    "explain",
    "only_replaces_a_value",
    "parameters",
    "quote_home",
    "run_name",
    "to_typed",
    "to_yaml",
    "with_values",
]
