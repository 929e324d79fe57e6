"""``cnnexp resume``: finish a sweep that was stopped, killed, or had runs that failed."""

import json
from collections.abc import Sequence

from cnnexp.compose import compose_config
from cnnexp.config import Override
from cnnexp.tracking.store.find_runs import find_sweep
from cnnexp.tracking.tags import SWEEP_WORDS
from cnnexp.train import launch


def run(sweep: str, settings: Sequence[str]) -> int:
    """Start the sweep's own command line again, with `settings` after it; return the exit code.

    The store is the one the sweep was found in: its own command line may name it without the password.
    """
    uri = compose_config(settings).tracking.uri
    parent = find_sweep(uri, sweep)
    recorded = [word for word in json.loads(parent.tags[SWEEP_WORDS]) if Override.parse(word).key != "tracking.uri"]
    store = str(Override.setting("tracking.uri", uri))
    return launch(["-m", *recorded, *settings, store, f"sweep.resume={parent.run_id}"])
