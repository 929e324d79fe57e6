"""``cnnexp resume``: finish a sweep that was stopped, killed, or had runs that failed."""

import json
from collections.abc import Sequence

from cnnexp.compose import compose_config
from cnnexp.tracking.store.find_runs import find_sweep
from cnnexp.tracking.tags import SWEEP_WORDS
from cnnexp.train import launch


def run(sweep: str, settings: Sequence[str]) -> int:
    """Start the sweep's own command line again, with `settings` after it; return the exit code."""
    parent = find_sweep(compose_config(settings).tracking.uri, sweep)
    return launch(["-m", *json.loads(parent.tags[SWEEP_WORDS]), *settings, f"sweep.resume={parent.run_id}"])
