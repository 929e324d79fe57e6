"""``cnnexp resume``: finish a sweep that was stopped, killed, or had runs that failed."""

import json

import click


@click.command()
@click.argument("sweep", metavar="SWEEP | latest")
@click.argument("settings", nargs=-1, metavar="[tracking.uri=URI] [sweep.workers=N ...]")
def command(*, sweep: str, settings: tuple[str, ...]) -> int:
    """Do the runs of a sweep that are not finished, under the same parent run; none that is finished is repeated.

    SWEEP is the id (or its beginning) or the name of the sweep's parent run. Settings say where it is recorded and how
    to go on, such as sweep.time_limit=60.
    """
    from cnnexp.compose import compose_config
    from cnnexp.tracking.store.find_runs import SWEEP_WORDS, find_sweep
    from cnnexp.train import launch

    parent = find_sweep(compose_config(settings).tracking.uri, sweep)
    return launch(["-m", *json.loads(parent.tags[SWEEP_WORDS]), *settings, f"sweep.resume={parent.run_id}"])
