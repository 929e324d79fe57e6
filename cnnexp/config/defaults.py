"""Where every value of a setting lives: the YAML files of ``conf/``, and MLflow's variables for where runs go."""

import os
import re
from pathlib import Path

from cnnexp.config.extended import added
from cnnexp.system.store_uri import StoreUri

_PACKAGE = Path(__file__).parents[1]
# An installed wheel carries the folder inside the package; in the source tree it stands beside it.
CONF = _PACKAGE / "conf" if (_PACKAGE / "conf").is_dir() else _PACKAGE.parent / "conf"

STORE_VARIABLE, EXPERIMENT_VARIABLE = "MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"
_VARIABLE = re.compile(r"\$\{variable:(?P<name>\w+),'(?P<value>[^']*)'\}")


def options(group: str) -> list[str]:
    """Return the options of `group`: those that come with the program, and added ones; empty where there is none."""
    return sorted([*shipped_options(group), *added(group)])


def shipped_options(group: str) -> list[str]:
    """Return the options of `group` that come with the program."""
    return sorted(file.stem for file in (CONF / group).glob("*.yaml")) if group else []


def variable(name: str, value: str) -> str:
    """Return an environment variable, or `value` where it is not set or empty: ``${variable:NAME,VALUE}`` in a file."""
    return os.environ.get(name) or value


def default_store() -> str:
    """Return ``tracking.uri`` as the file has it, without Hydra, which takes half a second to import."""
    import yaml  # needed only where no store is named

    settings = yaml.safe_load((CONF / "tracking" / "default.yaml").read_text(encoding="utf-8"))
    found = _VARIABLE.fullmatch(settings["uri"])
    return variable(found["name"], found["value"]) if found else str(settings["uri"])


def from_variables(*, uri: str, experiment: str | None = None) -> str | None:
    """Return which of these values the environment has chosen, to be shown; None where it has chosen none."""
    chosen = []
    if uri == os.environ.get(STORE_VARIABLE):
        chosen.append(f"{StoreUri(uri).masked} from {STORE_VARIABLE}")
    if experiment is not None and experiment == os.environ.get(EXPERIMENT_VARIABLE):
        chosen.append(f"experiment {experiment} from {EXPERIMENT_VARIABLE}")
    return ", ".join(chosen) or None
