"""A sweep under an external launcher (Hydra's basic, joblib, submitit): it starts the jobs, and each records itself."""

import contextlib
import io
import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, Self

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher

from cnnexp.config import SweepConfig, TrackingConfig
from cnnexp.errors import ConfigError, SweepError
from cnnexp.report.sweep_progress import SweepReport
from cnnexp.sweeps.best_model import keep_best_model
from cnnexp.sweeps.context import SweepContext
from cnnexp.sweeps.inspector import DatasetInspector, read_here
from cnnexp.sweeps.jobs import Grid, Job
from cnnexp.sweeps.results import Result, Results
from cnnexp.sweeps.summary import next_steps, print_end, summarize, summarize_with_comparison, tell_caller
from cnnexp.sweeps.sweep_records import ParentRun, PreviousRuns, SweepSpec, begin_sweep, describe_varied
from cnnexp.system import resources
from cnnexp.system.find_devices import devices
from cnnexp.system.text import one_line, plural
from cnnexp.tracking import OwnedRecord
from cnnexp.tracking.store.find_runs import runs_of
from cnnexp.tracking.store.stored_run import StoredRun
from cnnexp.tracking.tags import PRUNED, RECORD, RUN_HASH, VARIED

if TYPE_CHECKING:
    from cnnexp.sweeps.search import Search


def run_grid(launcher: Launcher, grid: Grid, spec: SweepSpec, settings: SweepConfig, tracking: TrackingConfig) -> None:
    """Have the launcher execute every run that is not finished, all as one batch, under one parent.

    Raises:
        SweepError: some runs failed.
        CnnexpError: the sweep could not begin.

    """
    with ExternalSweep.begin(launcher, spec, settings, tracking) as sweep:
        returns = sweep.launch([(job, None) for job in grid])
    _raise_failures([one for one in returns if one is not None], grid.refusals)


def run_search(
    launcher: Launcher,
    begin: "Callable[[str], Search]",
    spec: SweepSpec,
    settings: SweepConfig,
    tracking: TrackingConfig,
) -> None:
    """Have the launcher execute a search, batch by batch: a launcher returns when the last of its jobs has ended.

    `begin` returns the search with the study of the given name.

    Raises:
        SweepError: some runs failed.
        CnnexpError: the search could not begin.

    """
    at_a_time = settings.workers if isinstance(settings.workers, int) else resources.cores()
    all_returns: list[JobReturn] = []
    with ExternalSweep.begin(launcher, spec, settings, tracking) as sweep:
        search = begin(sweep.key)
        while jobs := list(itertools.islice(iter(search.next_job, None), at_a_time)):
            returns = sweep.launch([(job, search) for job in jobs])
            recorded = sweep.recorded(jobs)
            for job, one in zip(jobs, returns, strict=True):
                run = recorded.get(job.number)
                completed = one is not None and one.status is JobStatus.COMPLETED
                # What is not recorded yet, because it is kept in the outbox, has at least been returned.
                returned = {settings.objective: one.return_value} if one and completed else None
                pruned = run is not None and PRUNED in run.tags
                search.run_ended(job.number, run.metrics if run else returned, pruned=pruned)
            all_returns += [one for one in returns if one is not None]
    _raise_failures(all_returns, ())


class ExternalSweep:
    """A sweep that has begun."""

    def __init__(
        self,
        launcher: Launcher,
        settings: SweepConfig,
        tracking: TrackingConfig,
        *,
        previous: PreviousRuns,
        parent: ParentRun,
    ) -> None:
        self._launcher = launcher
        self._settings = settings
        self._tracking = tracking
        self._previous = previous
        self._parent = parent
        self._inspector = DatasetInspector(read_here)
        self._jobs: dict[str, Job] = {}  # by run hash
        self._hashes: dict[int, str] = {}  # run hashes, by the numbers of all jobs
        self._launched = 0

    @classmethod
    @contextmanager
    def begin(
        cls, launcher: Launcher, spec: SweepSpec, settings: SweepConfig, tracking: TrackingConfig
    ) -> Iterator[Self]:
        """Begin the parent run; it ends with the block.

        Raises:
            CnnexpError: the sweep cannot begin.

        """
        _require_code(launcher, spec)
        previous, parent = begin_sweep(tracking, spec, resume=settings.resume)
        sweep = cls(launcher, settings, tracking, previous=previous, parent=parent)
        status = "FAILED"
        try:
            yield sweep
            status = "FINISHED"
        except KeyboardInterrupt:
            status = "KILLED"
            raise
        finally:
            sweep._close(status)

    @property
    def key(self) -> str:
        """Names the sweep, the same for every command that continues it."""
        return self._parent.key

    def launch(self, jobs: "Sequence[tuple[Job, Search | None]]") -> list[JobReturn | None]:
        """Execute jobs as one batch; return what each returned, None for one that was done before or is a duplicate."""
        launched: dict[int, list[str]] = {}
        for job, search in jobs:
            run_hash = self._inspector.resolve(job.config, cores=resources.cores(), devices=devices()).run_hash
            self._hashes[job.number] = run_hash
            if run_hash in self._jobs:
                continue
            self._jobs[run_hash] = job
            if run_hash not in self._previous.finished:
                launched[job.number] = [*job.overrides, self._context(job, run_hash, search).to_override()]
        returns = self._launcher.launch(list(launched.values()), initial_job_idx=self._launched) if launched else []
        self._launched += len(launched)
        by_number = dict(zip(launched, returns, strict=True))
        return [by_number.get(job.number) for job, _ in jobs]

    def recorded(self, jobs: Sequence[Job]) -> dict[int, StoredRun]:
        """Return the finished runs of jobs by their numbers; a job may share the run of a duplicate."""
        runs = runs_of(self._tracking.uri, self._parent.run_id)
        finished = {run.tags.get(RUN_HASH): run for run in runs if run.status == "FINISHED"}
        hashes = {job.number: self._hashes[job.number] for job in jobs}
        return {number: finished[run_hash] for number, run_hash in hashes.items() if run_hash in finished}

    def _context(self, job: Job, run_hash: str, search: "Search | None") -> SweepContext:
        unfinished = self._previous.unfinished.get(describe_varied(job.varied))
        return SweepContext(
            tags=self._parent.tags(varied=job.varied, run_hash=run_hash),
            replaces=None if unfinished is None else unfinished.tags[RECORD],
            study=None if search is None else search.spec,
            trial=None if search is None else job.number,
        )

    def _close(self, status: str) -> None:
        objective, uri = self._settings.objective, self._tracking.uri
        results = recorded_results(list(self._jobs.values()), objective, uri=uri, parent_id=self._parent.run_id)
        close(self._parent, results, status, self._tracking, objective)


class KnownRun(Protocol):
    """A run of a sweep, as much as its result needs."""

    @property
    def number(self) -> int:
        """From 0, in the order of the sweep."""

    @property
    def name(self) -> str:
        """As it is recorded."""

    @property
    def varied(self) -> Mapping[str, str]:
        """Setting -> value, of those that differ between runs."""


def recorded_results(runs: Sequence[KnownRun], objective: str, *, uri: str, parent_id: str) -> Results:
    """Return the results that the store has of runs that report to nobody else."""
    known = {describe_varied(run.varied): run for run in runs}
    results = Results(objective)
    for stored in runs_of(uri, parent_id):
        if (run := known.get(stored.tags[VARIED])) is not None:
            results.add(Result.from_store(run.number, run.name, run.varied, stored))
    return results


def close(parent: ParentRun, results: Results, status: str, tracking: TrackingConfig, objective: str) -> OwnedRecord:
    """Compare the runs of a sweep if it is finished, end its parent, and print what came out and what to type next."""
    uri, parent_id, finished = tracking.uri, parent.run_id, status == "FINISHED"
    summary = summarize_with_comparison(results, uri=uri, parent_id=parent_id) if finished else summarize(results)
    best = finished and tracking.models == "best"
    model = keep_best_model(uri, parent_id, objective=objective) if best else []
    record = parent.end(status, summary.description, summary.files, summary.metrics)
    record.wait()
    if results.all:
        lines = next_steps(summary, model, uri=uri, parent_id=parent_id, stopped=status == "KILLED")
        print_end(results, summary, SweepReport(), lines)
    tell_caller(record, uri=uri)
    return record


def _require_code(launcher: Launcher, spec: SweepSpec) -> None:
    """Refuse to start runs in processes that the code of the user's does not reach."""
    name = type(launcher).__name__
    if spec.extend and name != "BasicLauncher":
        raise ConfigError(
            f"--extend reaches the runs of hydra/launcher=cnnexp, ray, slurm and basic; got a {name}. Leave "
            "hydra/launcher and hydra.launcher.* out, and runs are started in processes of this machine, so many at a "
            "time: sweep.workers=2. On several machines: hydra/launcher=ray or slurm."
        )


def _raise_failures(returns: Sequence[JobReturn], refusals: Sequence[str]) -> None:
    failures = [_failure(one) for one in returns if one.status is not JobStatus.COMPLETED]
    if reasons := [*failures, *refusals]:
        listed = "; ".join(one_line(reason)[:200] for reason in reasons[:3])
        raise SweepError(f"{len(reasons)} of {plural(len(returns) + len(refusals), 'run')} failed: {listed}")


def _failure(failed: JobReturn) -> str:
    """Return why a job failed; its `return_value` raises that, after a line on standard error that says no more."""
    try:
        with contextlib.redirect_stderr(io.StringIO()):
            return str(failed.return_value)
    except Exception as error:  # whatever the job has raised
        return str(error)
