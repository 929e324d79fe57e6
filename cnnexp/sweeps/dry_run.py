"""What a command would do, without doing it."""

import statistics
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from cnnexp.config import DataConfig, SweepConfig, TrackingConfig
from cnnexp.records import DataFacts
from cnnexp.report.console import open_console
from cnnexp.sweeps.jobs import Grid, Job
from cnnexp.sweeps.run_hash import hash_run, resolve
from cnnexp.sweeps.sweep_records import Past, Plan, read_past
from cnnexp.system import resources
from cnnexp.system.text import printable
from cnnexp.tracking.store.find_runs import runs_like
from cnnexp.tracking.store.stored_run import StoredRun

MOST_ROWS = 200  # runs that are listed


def show(grid: Grid, plan: Plan, settings: SweepConfig, tracking: TrackingConfig, *, total: int) -> None:
    """Print the runs with only the settings that differ, how many are done, and about how long the others take."""
    console = open_console()
    past = read_past(tracking, plan, resume=settings.resume)
    jobs = list(grid)
    done = _done(jobs, past)
    _print_runs(console, jobs, done, list(plan.varied))
    for refusal in grid.refusals:
        console.print(f"not composed: {printable(refusal)}", style="attention", soft_wrap=True, markup=False)
    left = total - len(done) - len(grid.refusals)
    refused = f", {len(grid.refusals)} that cannot be composed" if grid.refusals else ""
    console.print(f"{total} runs, {len(done)} done, {left} to do{refused}")
    if left:
        example = next(job for job in jobs if job.number not in done)
        console.print(_estimate(example, runs_like(tracking.uri, experiment=tracking.experiment), left, settings))


def _done(jobs: Sequence[Job], past: Past) -> set[int]:
    """Return the numbers of finished runs; the data are only read where there are any."""
    known: dict[str, DataFacts] = {}
    return {job.number for job in jobs if past.finished and _mark(job, known) in past.finished}


def _mark(job: Job, known: dict[str, DataFacts]) -> str:
    data: DataConfig = job.config.data
    from cnnexp.datasets import read_facts  # no earlier than there are data to read

    key = data.dataset_key
    if key not in known:
        known[key] = read_facts(data.whole(), lambda _done, _total: None)
    return hash_run(resolve(job.config, known[key], cores=resources.cores()), known[key])


def _print_runs(console: Console, jobs: Sequence[Job], done: set[int], keys: Sequence[str]) -> None:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="label")
    table.add_column("run", justify="right")
    for key in keys:
        table.add_column(key, justify="right", no_wrap=True)
    table.add_column("")
    for job in jobs[:MOST_ROWS]:
        values = [printable(job.varied[key]) for key in keys]
        table.add_row(str(job.number + 1), *values, "done" if job.number in done else "")
    console.print(table)
    if len(jobs) > MOST_ROWS:
        console.print(f"... and {len(jobs) - MOST_ROWS} more")


def _estimate(example: Job, recorded: Sequence[StoredRun], left: int, settings: SweepConfig) -> str:
    """Go by the runs of the same data and model that the store has, at the same number of epochs at most."""
    config = example.config
    wanted = {
        "data": config.data.name,
        "model": config.model.name,
        "training.epochs": str(config.training.epochs),
    }
    alike = [run for run in recorded if all(run.params.get(key) == value for key, value in wanted.items())]
    seconds = [(run.ended_ms - run.started_ms) / 1000 for run in alike if run.ended_ms is not None]
    if not seconds:
        told = ", ".join(f"{key}={value}" for key, value in wanted.items())
        return f"no estimate of the time: the store has no finished run with {told}"
    threads = int(alike[0].params["used.threads"])
    auto = max(1, resources.cores() // threads)
    at_a_time = settings.workers if isinstance(settings.workers, int) else auto
    minutes = statistics.median(seconds) * left / min(at_a_time, left) / 60
    return (
        f"about {minutes:.1f} minutes: {statistics.median(seconds):.1f} s a run (median of {len(seconds)} alike), "
        f"{min(at_a_time, left)} at a time"
    )
