"""Shows what a sweep would do, without doing it."""

import math
import statistics
from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from cnnexp.compose import parameters
from cnnexp.config import SweepConfig, TrackingConfig
from cnnexp.report.console import open_console, print_line
from cnnexp.report.model_room import ModelSize, room_for_models
from cnnexp.report.table import Column, print_table
from cnnexp.sweeps.inspector import DatasetInspector, read_here
from cnnexp.sweeps.jobs import Grid, Job
from cnnexp.sweeps.summary import seeds_note
from cnnexp.sweeps.sweep_records import PreviousRuns, SweepSpec, find_previous_runs
from cnnexp.system import resources
from cnnexp.system.devices import Device, Devices
from cnnexp.system.find_devices import devices
from cnnexp.system.text import as_yaml, plural, printable
from cnnexp.tracking.store.find_runs import runs_like
from cnnexp.tracking.store.stored_run import StoredRun

_WEIGHTS = "model.trainable_weights"  # parameter of a recorded run
_HEAD = "model.head_weights"  # another, of one that trained the head alone
_REFERENCE = "model.reference_bytes"  # another, which runs of earlier versions lack
MOST_ROWS = 200  # runs that are listed


def show(
    grid: Grid,
    spec: SweepSpec,
    settings: SweepConfig,
    tracking: TrackingConfig,
    *,
    total: int,
    allocation: tuple[int, Devices] | None = None,
) -> None:
    """Print the runs with the settings that differ, how many are done, and about how long the others take.

    `allocation` is the cores and devices of one run that is done elsewhere; None: in processes of this machine.
    """
    console = open_console()
    previous = find_previous_runs(tracking, spec, resume=settings.resume)
    jobs = list(grid)
    done = _done(jobs, previous, allocation)
    _print_runs(console, jobs, done, list(spec.varied))
    for refusal in grid.refusals:
        print_line(console, Text(f"not composed: {printable(refusal)}", style="attention"))
    left = total - len(done) - len(grid.refusals)
    trainings = sum(job.trainings for job in jobs if job.number not in done)
    refused = f", {len(grid.refusals)} that cannot be composed" if grid.refusals else ""
    folds = f", {plural(trainings, 'training')} with their folds" if trainings > left else ""
    console.print(f"{plural(total, 'run')}, {len(done)} done, {left} to do{folds}{refused}")
    if note := seeds_note(spec.varied):
        print_line(console, Text(f"seeds: {note}"))
    if left:
        example = next(job for job in jobs if job.number not in done)
        alike = runs_like(tracking.uri, experiment=tracking.experiment)
        console.print(_estimate(example, alike, trainings, settings, allocation))
        if room := _room(example, alike, trainings, kept=tracking.models):
            console.print(room)


def _done(jobs: Sequence[Job], previous: PreviousRuns, allocation: tuple[int, Devices] | None) -> set[int]:
    """Return the numbers of finished runs; data are read only where there are any."""
    if not previous.finished:
        return set()
    inspector = DatasetInspector(read_here)
    cores, there = (resources.cores(), devices()) if allocation is None else allocation
    hashes = {job.number: inspector.resolve(job.config, cores=cores, devices=there).run_hash for job in jobs}
    return {number for number, run_hash in hashes.items() if run_hash in previous.finished}


def _print_runs(console: Console, jobs: Sequence[Job], done: set[int], keys: Sequence[str]) -> None:
    columns = [Column("run", numeric=True), *(Column(key, numeric=True) for key in keys), Column("")]
    rows = [
        [str(job.number + 1), *(printable(job.varied[key]) for key in keys), "done" if job.number in done else ""]
        for job in jobs[:MOST_ROWS]
    ]
    print_table(console, columns, rows)
    if len(jobs) > MOST_ROWS:
        console.print(f"... and {len(jobs) - MOST_ROWS} more")


def _room(example: Job, recorded: Sequence[StoredRun], left: int, *, kept: str) -> str:
    """Estimate the room for the models by a recorded run of the same data and network; empty where there is none."""
    network = {name: as_yaml(value) for name, value in parameters(example.config).items() if _shapes_network(name)}
    frozen = example.config.training.freeze == "backbone"
    for run in recorded:
        settings = {name: value for name, value in run.settings.items() if _shapes_network(name)}
        weights, head, reference = (settings.pop(name, None) for name in (_WEIGHTS, _HEAD, _REFERENCE))
        if weights is not None and settings == network and frozen == (head is not None):
            size = ModelSize(int(weights), int(reference or 0), None if head is None else int(head))
            return f"models: {room_for_models(left, size, kept=kept)}"
    return ""


def _shapes_network(name: str) -> bool:
    return name in ("data", "data.size") or name.partition(".")[0] == "model"


def _places_on_gpus(example: Job, settings: SweepConfig) -> float:
    """Return how many runs have a GPU at a time, where `auto` measures none yet; infinite for runs that need none."""
    training, there = example.config.training, devices()
    if not Device.choose(training.device, there).gpus:
        return math.inf
    if training.strategy == "mirrored":
        return 1
    gpus = 1 if ":" in training.device else len(there.gpus)
    return gpus * (settings.per_gpu if isinstance(settings.per_gpu, int) else 1)


def _estimate(
    example: Job,
    recorded: Sequence[StoredRun],
    left: int,
    settings: SweepConfig,
    allocation: tuple[int, Devices] | None,
) -> str:
    """Estimate the time by the recorded runs of the same data, model and most epochs."""
    config = example.config
    wanted = {
        "data": config.data.name,
        "model": config.model.name,
        "training.epochs": str(config.training.epochs),
    }
    alike = [run for run in recorded if all(run.params.get(key) == value for key, value in wanted.items())]
    seconds = [(run.ended_ms - run.started_ms) / 1000 for run in alike if run.ended_ms is not None]
    if not seconds:
        listed = ", ".join(f"{key}={value}" for key, value in wanted.items())
        return f"no estimate of the time: the store has no finished run with {listed}"
    if allocation is not None and not isinstance(settings.workers, int):
        median = f"{statistics.median(seconds):.1f} s a run (median of {len(seconds)} alike)"
        return f"{median}, and as many at a time as there is room for"
    threads = int(alike[0].params["used.threads"])
    auto = min(max(1, resources.cores() // threads), _places_on_gpus(example, settings))
    at_a_time = settings.workers if isinstance(settings.workers, int) else auto
    at_a_time = int(min(at_a_time, left))
    minutes = statistics.median(seconds) * left / at_a_time / 60
    return (
        f"about {minutes:.1f} minutes: {statistics.median(seconds):.1f} s a run (median of {len(seconds)} alike), "
        f"{at_a_time} at a time"
    )
