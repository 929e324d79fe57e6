"""``cnnexp resume``: go on with a sweep, a run of folds or a run that was stopped, killed, or had runs that failed."""

import json
from collections.abc import Sequence
from contextlib import chdir
from pathlib import Path

from rich.text import Text

from cnnexp.cli.code_flags import EXTEND, with_code
from cnnexp.compose import compose_config
from cnnexp.config import PATHS, Override, names_affecting, unquote, values_of
from cnnexp.config.extended import all_added
from cnnexp.errors import ConfigError
from cnnexp.report.console import open_console
from cnnexp.runs.checkpoint_folder import is_kept
from cnnexp.system.files import at_home, is_folder, is_there
from cnnexp.system.text import printable
from cnnexp.tracking.store.connection import absolute_uri
from cnnexp.tracking.store.find_runs import find_resumable
from cnnexp.tracking.store.stored_run import StoredRun
from cnnexp.tracking.tags import FOLDS, RECORD, SWEEP_CONFIG_DIR, SWEEP_EXTEND, SWEEP_FOLDER, SWEEP_KEY, SWEEP_WORDS
from cnnexp.train import launch


def run(target: str, settings: Sequence[str], *, finish: bool) -> int:
    """Start its own command line again, with `settings` after it, where it was typed; return the exit code.

    The store is the one it was found in: its own command line may name it without the password. Code of the
    user's is loaded from where it was, unless this command has given it. `finish` judges the best epoch of a run so
    far.
    """
    uri = absolute_uri(compose_config(settings).tracking.uri)
    stopped = find_resumable(uri, target, is_kept=_has_checkpoint)
    is_many = not {SWEEP_KEY, FOLDS}.isdisjoint(stopped.tags)
    if finish and is_many:
        raise ConfigError(
            f"--finish judges the best epoch of one run; {printable(stopped.name)} is several. Leave it out."
        )
    recorded = [word for word in _words(stopped) if not _is_replaced(Override.parse(word).key, settings)]
    code = json.loads(stopped.tags[SWEEP_EXTEND]) if SWEEP_EXTEND in stopped.tags and not all_added() else []
    config_dir = [f"--config-dir={stopped.tags[SWEEP_CONFIG_DIR]}"] if SWEEP_CONFIG_DIR in stopped.tags else []
    again = [*config_dir, *recorded, *map(_from_here, settings), str(Override.setting("tracking.uri", uri))]
    folder = _folder(stopped)
    if folder != Path.cwd():
        line = Text.assemble((f"{'folder':<10}", "label"), printable(str(folder)))
        open_console(required=False).print(line, soft_wrap=True)
    with with_code([f"{EXTEND}={one}" for one in code]), chdir(folder):
        if FOLDS in stopped.tags:  # recognized by its run hash
            return launch(again)
        if is_many:
            return launch(["-m", *again, f"sweep.resume={stopped.run_id}"])
        last = ["training.finish=true"] if finish else []
        return launch([*again, f"training.resume={stopped.run_id}", *last])


def _folder(stopped: StoredRun) -> Path:
    """Return the folder from which the relative paths of a command start; the current one where that is not known."""
    recorded = stopped.tags.get(SWEEP_FOLDER)
    return Path(recorded) if recorded is not None and is_folder(recorded) else Path.cwd()


def _from_here(setting: str) -> str:
    """Return a setting whose path means the same file from any folder."""
    override = Override.parse(setting)
    if override.value is None or override.key not in names_affecting(*PATHS):
        return setting
    path = unquote(override.value)
    if override.value == "null" or path.startswith("~") or "${" in path:
        return setting
    if not override.key.startswith("data.") and not is_there(path):  # the id of a run, or no weights
        return setting
    return str(Override.setting(override.key, str(Path(path).absolute())))


def _is_replaced(key: str, settings: Sequence[str]) -> bool:
    """Return whether a recorded override is left out: the store is known, and another launcher has other settings."""
    replaces_launcher = any(Override.parse(setting).key == "hydra/launcher" for setting in settings)
    return key == "tracking.uri" or (replaces_launcher and key.startswith("hydra.launcher."))


def _words(stopped: StoredRun) -> list[str]:
    words: list[str] = json.loads(stopped.tags[SWEEP_WORDS])
    return words


def _has_checkpoint(stopped: StoredRun) -> bool:
    """Return whether the checkpoint of a run is on this machine."""
    cache = values_of(_words(stopped)).get("data.cache", "null")
    where = None if cache == "null" else str(_folder(stopped) / at_home(unquote(cache)))
    return is_kept(stopped.tags[RECORD], cache=where)
