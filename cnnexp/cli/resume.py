"""``cnnexp resume``: finish a sweep, or a run of folds, that was stopped, killed, or had runs that failed."""

import json
from collections.abc import Sequence

from cnnexp.cli.code_flags import EXTEND, with_code
from cnnexp.compose import compose_config
from cnnexp.config import Override
from cnnexp.config.extended import all_added
from cnnexp.tracking.store.find_runs import find_resumable
from cnnexp.tracking.tags import FOLDS, SWEEP_EXTEND, SWEEP_WORDS
from cnnexp.train import launch


def run(sweep: str, settings: Sequence[str]) -> int:
    """Start its own command line again, with `settings` after it; return the exit code.

    The store is the one the sweep was found in: its own command line may name it without the password. Code of the
    user's is loaded from where it was, unless this command has given it.
    """
    uri = compose_config(settings).tracking.uri
    parent = find_resumable(uri, sweep)
    recorded = [word for word in json.loads(parent.tags[SWEEP_WORDS]) if Override.parse(word).key != "tracking.uri"]
    store = str(Override.setting("tracking.uri", uri))
    code = json.loads(parent.tags[SWEEP_EXTEND]) if SWEEP_EXTEND in parent.tags and not all_added() else []
    with with_code([f"{EXTEND}={one}" for one in code]):
        if FOLDS in parent.tags:  # recognized by its run hash
            return launch([*recorded, *settings, store])
        return launch(["-m", *recorded, *settings, store, f"sweep.resume={parent.run_id}"])
