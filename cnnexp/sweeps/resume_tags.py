"""What a run or a sweep records of its command, so that `cnnexp resume` starts the same one again."""

import json
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from cnnexp.config.extended import all_added
from cnnexp.sweeps.run_hash import is_of_one_command
from cnnexp.system.secrets import without_secrets
from cnnexp.tracking.tags import SWEEP_CONFIG_DIR, SWEEP_EXTEND, SWEEP_FOLDER, SWEEP_WORDS


def tags_to_resume(overrides: Sequence[str], *, config_dir: str | None = None) -> dict[str, str]:
    """Return the tags by which `cnnexp resume` starts the same command again: where, and with what code and presets.

    `config_dir` is the folder of ``--config-dir``.
    """
    kept = [without_secrets(override, code=False) for override in overrides if not is_of_one_command(override)]
    code = code_given()
    return {
        SWEEP_WORDS: json.dumps(kept),
        **({SWEEP_EXTEND: json.dumps(code)} if code else {}),
        **_places(config_dir),
    }


def _places(config_dir: str | None) -> dict[str, str]:
    """Return the tags of the current folder and of ``--config-dir``, but for names that no store can take."""
    places = {} if config_dir is None else {SWEEP_CONFIG_DIR: config_dir}
    with suppress(OSError):  # it was removed
        places[SWEEP_FOLDER] = str(Path.cwd())
    return {tag: place for tag, place in places.items() if place == place.encode(errors="replace").decode()}


def code_given() -> list[str]:
    """Return the files of the user's code, and entry points."""
    return list(dict.fromkeys(one.code.source for one in all_added()))
