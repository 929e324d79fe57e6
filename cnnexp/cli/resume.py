"""``cnnexp resume``: go on with a sweep, a run of folds or a run that was stopped, killed, or had runs that failed."""

import json
from collections.abc import Sequence

from cnnexp.cli.code_flags import EXTEND, with_code
from cnnexp.compose import compose_config
from cnnexp.config import Override, unquote, values_of
from cnnexp.config.extended import all_added
from cnnexp.errors import ConfigError
from cnnexp.runs.checkpoint_folder import is_kept
from cnnexp.system.text import printable
from cnnexp.tracking.store.find_runs import find_resumable
from cnnexp.tracking.store.stored_run import StoredRun
from cnnexp.tracking.tags import FOLDS, RECORD, SWEEP_EXTEND, SWEEP_KEY, SWEEP_WORDS
from cnnexp.train import launch


def run(target: str, settings: Sequence[str], *, finish: bool) -> int:
    """Start its own command line again, with `settings` after it; return the exit code.

    The store is the one it was found in: its own command line may name it without the password. Code of the
    user's is loaded from where it was, unless this command has given it. `finish` judges the best epoch of a run so
    far.
    """
    uri = compose_config(settings).tracking.uri
    stopped = find_resumable(uri, target, is_kept=_has_checkpoint)
    is_many = not {SWEEP_KEY, FOLDS}.isdisjoint(stopped.tags)
    if finish and is_many:
        raise ConfigError(
            f"--finish judges the best epoch of one run; {printable(stopped.name)} is several. Leave it out."
        )
    recorded = [word for word in _words(stopped) if not _is_replaced(Override.parse(word).key, settings)]
    store = str(Override.setting("tracking.uri", uri))
    code = json.loads(stopped.tags[SWEEP_EXTEND]) if SWEEP_EXTEND in stopped.tags and not all_added() else []
    with with_code([f"{EXTEND}={one}" for one in code]):
        if FOLDS in stopped.tags:  # recognized by its run hash
            return launch([*recorded, *settings, store])
        if is_many:
            return launch(["-m", *recorded, *settings, store, f"sweep.resume={stopped.run_id}"])
        last = ["training.finish=true"] if finish else []
        return launch([*recorded, *settings, store, f"training.resume={stopped.run_id}", *last])


def _is_replaced(key: str, settings: Sequence[str]) -> bool:
    """Return whether a recorded override is left out: the store is known, and another launcher has other settings."""
    replaces_launcher = any(Override.parse(setting).key == "hydra/launcher" for setting in settings)
    return key == "tracking.uri" or (replaces_launcher and key.startswith("hydra.launcher."))


def _words(stopped: StoredRun) -> list[str]:
    words: list[str] = json.loads(stopped.tags[SWEEP_WORDS])
    return words


def _has_checkpoint(stopped: StoredRun) -> bool:
    """Return whether the checkpoint of a run is on this machine."""
    cache = values_of(_words(stopped)).get("data.cache")
    return is_kept(stopped.tags[RECORD], cache=None if cache is None else unquote(cache))
