"""Where every value of a setting lives: the YAML files of ``conf/``."""

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
# An installed wheel carries the folder inside the package; in the source tree it stands beside it.
CONF = _PACKAGE / "conf" if (_PACKAGE / "conf").is_dir() else _PACKAGE.parent / "conf"


def options(group: str) -> list[str]:
    """Return the options of `group` that come with the program; empty where there is no such group."""
    return sorted(file.stem for file in (CONF / group).glob("*.yaml")) if group else []


def default_store() -> str:
    """Return ``tracking.uri`` as the file has it, without Hydra, which takes half a second to import."""
    import yaml  # needed only where no store is named

    settings = yaml.safe_load((CONF / "tracking" / "default.yaml").read_text(encoding="utf-8"))
    return str(settings["uri"])
