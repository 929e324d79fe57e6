"""Queues a sweep: its runs as a job array, and after them the job that compares them and ends it."""

import dataclasses
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from cnnexp.config import SlurmConfig, SweepConfig, TrackingConfig
from cnnexp.config.defaults import from_variables
from cnnexp.errors import DataError
from cnnexp.report.console import open_console, print_title
from cnnexp.report.sweep_progress import SweepReport
from cnnexp.sweeps.inspector import DatasetInspector, read_here
from cnnexp.sweeps.jobs import Grid, Job
from cnnexp.sweeps.slurm.comparison import end_sweep
from cnnexp.sweeps.slurm.follow import follow, how_to_go_on
from cnnexp.sweeps.slurm.scripts import comparison_script, runs_script
from cnnexp.sweeps.slurm.sweep_folder import PlannedRun, SweepPlan, new_folder
from cnnexp.sweeps.summary import seeds_note, tell_caller
from cnnexp.sweeps.sweep_records import ParentRun, PreviousRuns, SweepSpec, begin_sweep
from cnnexp.system import slurm
from cnnexp.system.devices import Devices, Gpu
from cnnexp.system.store_uri import StoreUri
from cnnexp.system.text import plural
from cnnexp.tracking.store.connection import absolute_uri

_LOCAL = ("localhost", "127.", "[::1]", "0.0.0.0")


def run(
    slurm_settings: SlurmConfig,
    grid: Grid,
    spec: SweepSpec,
    settings: SweepConfig,
    tracking: TrackingConfig,
    folder: Path,
) -> None:
    """Queue every run that is not finished, and follow the sweep unless that is not wanted.

    Args:
        slurm_settings: What each run asks for.
        grid: The runs.
        spec: The sweep.
        settings: How it is carried out.
        tracking: Where it is recorded.
        folder: Of the sweep, absolute, on a disk that the nodes reach.

    Raises:
        SweepError: Slurm refuses, the sweep is queued already, or some of its runs failed.
        CnnexpError: the sweep could not begin.

    """
    slurm.require()
    print_title(spec.name)
    previous, parent = begin_sweep(tracking, spec, resume=settings.resume)
    with SweepReport() as report:
        with _discarded_on_failure(parent):
            plan, jobs = _planned(grid, previous, spec, settings, tracking, parent, slurm_settings)
            folder = new_folder(folder) if jobs else folder
            _announce(plan, previous, report, folder)
            if jobs:
                plan.write(folder, jobs)
                numbers = _queued(slurm_settings, settings, plan, jobs, folder)
        if not jobs:
            report.stop()
            end_sweep(plan, parent, folder).raise_failures()
            return
        record = parent.hand_over(numbers, folder)
        record.wait()
        tell_caller(record, uri=plan.tracking.uri)
        ending = follow(plan, folder, numbers, report) if slurm_settings.follow else None
        if ending is None:  # not wanted, or not any more
            report.closing(how_to_go_on(plan, numbers))
        else:
            ending.raise_failures()


def show(slurm_settings: SlurmConfig, settings: SweepConfig, *, name: str, folder: Path, total: int) -> None:
    """Print the script that Slurm would be given for `total` runs; a run may turn out to need fewer cores."""
    script = runs_script(
        slurm_settings,
        name=name,
        folder=folder,
        numbers=range(total),
        cpus=slurm_settings.cpus,
        at_a_time=_at_a_time(settings),
    )
    open_console().print(f"\n{script}", end="", soft_wrap=True)


def devices_of(slurm_settings: SlurmConfig) -> Devices:
    """Return the GPUs of one run, whose model is not known where the sweep is typed."""
    return Devices(tuple(Gpu("GPU", number, str(number)) for number in range(slurm_settings.gpus)))


@contextmanager
def _discarded_on_failure(parent: ParentRun) -> Iterator[None]:
    try:
        yield
    except BaseException:
        parent.discard()
        raise


def _planned(
    grid: Grid,
    previous: PreviousRuns,
    spec: SweepSpec,
    settings: SweepConfig,
    tracking: TrackingConfig,
    parent: ParentRun,
    slurm_settings: SlurmConfig,
) -> tuple[SweepPlan, dict[int, Job]]:
    """Return the sweep, and those of its runs that are to be done by their numbers.

    Device, threads and precision are decided by what a run asks for; data are read, once for all runs that share them.

    Raises:
        DataError: those of the first run cannot be read.

    """
    inspector, devices = DatasetInspector(read_here), devices_of(slurm_settings)
    runs: dict[str, PlannedRun] = {}
    left: dict[int, Job] = {}
    for job in grid:
        try:
            resolved = inspector.resolve(job.config, cores=slurm_settings.cpus, devices=devices)
        except DataError as error:
            if not runs:
                raise
            grid.refusals.append(f"{job.name}: {error}")
            continue
        run_hash = resolved.run_hash
        if run_hash in runs:
            continue
        runs[run_hash] = PlannedRun(number=job.number, name=job.name, varied=job.varied, run_hash=run_hash)
        if run_hash not in previous.finished:
            left[job.number] = dataclasses.replace(job, config=resolved.config)
    plan = SweepPlan(
        spec=spec,
        tracking=dataclasses.replace(tracking, uri=absolute_uri(tracking.uri)),
        objective=settings.objective,
        parent_id=parent.run_id,
        runs=tuple(runs.values()),
        left=tuple(left),
        refusals=tuple(grid.refusals),
    )
    return plan, left


def _announce(plan: SweepPlan, previous: PreviousRuns, report: SweepReport, folder: Path) -> None:
    lines = [("runs", f"{plural(plan.total, 'run')}, {len(plan.left)} of them to queue"), *plan.spec.varied.items()]
    if note := seeds_note(plan.spec.varied):
        lines.append(("seeds", note))
    store = StoreUri(plan.tracking.uri)
    reached = _how_nodes_reach(store)
    if reached or from_variables(uri=plan.tracking.uri, experiment=plan.tracking.experiment) is not None:
        lines.append(("store", f"{store.masked}{reached}"))
    if plan.left:
        lines.append(("folder", f"{folder}: scripts, and what the jobs print"))
    if previous.parent is not None:
        before = plural(len(previous.finished), "run was", "runs were")
        lines.append(("resuming", f"{before} finished before; sweep.resume=never starts another sweep"))
    report.begin(lines, total=plan.total)
    for _ in range(len(plan.runs) - len(plan.left)):
        report.skipped("")
    for refusal in plan.refusals:
        report.not_composed(refusal, best="")


def _how_nodes_reach(store: StoreUri) -> str:
    """Return what must be so that the nodes of the cluster reach the store; empty where nothing need be said."""
    if store.database is not None:
        return ": every node must reach this file, with locks; a server is safer (docs/slurm.md)"
    host = store.masked.partition("://")[2].rpartition("@")[2]
    return ": means another machine on every node; name this one" if host.startswith(_LOCAL) else ""


def _queued(
    slurm_settings: SlurmConfig, settings: SweepConfig, plan: SweepPlan, jobs: Mapping[int, Job], folder: Path
) -> list[int]:
    """Queue everything; return the numbers of Slurm's jobs, that of the comparison last."""
    name = plan.spec.name
    numbers: list[int] = []
    try:
        for first, chunk in _chunks(list(jobs), slurm.largest_array()):
            script = folder / ("runs.sh" if first == 0 else f"runs-{first}.sh")
            text = runs_script(
                slurm_settings,
                name=name,
                folder=folder,
                numbers=chunk,
                first=first,
                cpus=_cores(jobs.values(), most=slurm_settings.cpus),
                at_a_time=_at_a_time(settings),
            )
            script.write_text(text, encoding="utf-8", errors="surrogateescape")
            numbers.append(slurm.submit(script))
        script = folder / "comparison.sh"
        text = comparison_script(slurm_settings, name=name, folder=folder)
        script.write_text(text, encoding="utf-8", errors="surrogateescape")
        return [*numbers, slurm.submit(script, after=numbers)]
    except BaseException:
        if numbers:
            slurm.cancel(numbers)
        raise


def _chunks(numbers: Sequence[int], largest: int) -> Iterator[tuple[int, list[int]]]:
    """Yield the numbers of runs for each array, whose indices stay below `largest`, and what to add to an index."""
    for first in range(0, numbers[-1] + 1, largest):
        if chunk := [number for number in numbers if first <= number < first + largest]:
            yield first, chunk


def _cores(jobs: Iterable[Job], *, most: int) -> int:
    """Return the cores that each run gets: as many as the widest has threads; runs of folds share more among them."""
    return max(most if job.config.data.has_folds else int(job.config.training.threads) for job in jobs)


def _at_a_time(settings: SweepConfig) -> int | None:
    return settings.workers if isinstance(settings.workers, int) else None
