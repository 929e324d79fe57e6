"""A sweep under one of Hydra's own launchers (basic, joblib, ...): they start the jobs, and each records itself."""

import dataclasses
import itertools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from hydra.core.utils import JobReturn, JobStatus
from hydra.plugins.launcher import Launcher

from cnnexp.config import SweepConfig, TrackingConfig
from cnnexp.errors import SweepError
from cnnexp.records import DataFacts
from cnnexp.report.sweep_progress import SweepReport
from cnnexp.sweeps import summary
from cnnexp.sweeps.context import Invitation
from cnnexp.sweeps.jobs import Grid, Job
from cnnexp.sweeps.results import Result, Results
from cnnexp.sweeps.run_hash import hash_run, resolve
from cnnexp.sweeps.sweep_records import Parent, Past, Plan, in_words, read_past, settle
from cnnexp.system import resources
from cnnexp.system.text import one_line
from cnnexp.tracking.store.find_runs import runs_of
from cnnexp.tracking.store.stored_run import StoredRun
from cnnexp.tracking.tags import PRUNED, RECORD, RUN_HASH, VARIED

if TYPE_CHECKING:
    from cnnexp.sweeps.search import Search


def carry_out(launcher: Launcher, grid: Grid, plan: Plan, settings: SweepConfig, tracking: TrackingConfig) -> None:
    """Have the launcher do every run that is not finished, all as one batch, under one parent.

    Raises:
        SweepError: some runs failed.
        CnnexpError: the sweep could not begin.

    """
    with _Elsewhere(launcher, plan, settings, tracking).begun() as sweep:
        returns = sweep.launch([(job, None) for job in grid])
    _raise_failures([one for one in returns if one is not None], grid.refusals)


def search(
    launcher: Launcher,
    begin: "Callable[[str], Search]",
    plan: Plan,
    settings: SweepConfig,
    tracking: TrackingConfig,
) -> None:
    """Have the launcher do a search, batch by batch: a launcher returns when the last of its jobs has ended.

    `begin` makes the search of the name of its study.

    Raises:
        SweepError: some runs failed.
        CnnexpError: the search could not begin.

    """
    at_a_time = settings.workers if isinstance(settings.workers, int) else resources.cores()
    all_returns: list[JobReturn] = []
    with _Elsewhere(launcher, plan, settings, tracking).begun() as sweep:
        source = begin(sweep.key)
        while jobs := list(itertools.islice(iter(source.next, None), at_a_time)):
            returns = sweep.launch([(job, source) for job in jobs])
            recorded = sweep.recorded(jobs)
            for job, one in zip(jobs, returns, strict=True):
                run = recorded.get(job.number)
                done = one is not None and one.status is JobStatus.COMPLETED
                kept = {settings.objective: one._return_value} if one and done else None  # in the outbox, until later
                source.ended(job.number, run.metrics if run else kept, pruned=run is not None and PRUNED in run.tags)
            all_returns += [one for one in returns if one is not None]
    _raise_failures(all_returns, ())


class _Elsewhere:
    """One sweep and what it knows."""

    def __init__(self, launcher: Launcher, plan: Plan, settings: SweepConfig, tracking: TrackingConfig) -> None:
        settle(tracking, plan, resume=settings.resume)
        self._launcher = launcher
        self._settings = settings
        self._tracking = tracking
        self._past: Past = read_past(tracking, plan, resume=settings.resume)
        self._parent = Parent(tracking, plan, self._past)
        self._known: dict[str, DataFacts] = {}
        self._jobs: dict[str, Job] = {}  # by identity
        self._marks: dict[int, str] = {}  # identities, by the numbers of all jobs
        self._launched = 0

    @property
    def key(self) -> str:
        """Names the sweep, whichever command goes on with it."""
        return self._parent.key

    @contextmanager
    def begun(self) -> Iterator["_Elsewhere"]:
        """End the parent with the block, truly."""
        status = "FAILED"
        try:
            yield self
            status = "FINISHED"
        except KeyboardInterrupt:
            status = "KILLED"
            raise
        finally:
            self._close(status)

    def _close(self, status: str) -> None:
        results, tracking = self._results(), self._tracking
        word = summary.plain(results)
        if status == "FINISHED":
            word = summary.compared(results, uri=tracking.uri, parent_id=self._parent.run_id)
        self._parent.end(status, word.description, word.files).wait()
        if results.all:
            report = SweepReport()
            summary.tell_fairness(results, report)
            report.closing(summary.next_steps(word, uri=tracking.uri, parent_id=self._parent.run_id))

    def launch(self, jobs: Sequence[tuple[Job, "Search | None"]]) -> list[JobReturn | None]:
        """Do jobs as one batch; return what came of each, None for what was done before or is there twice."""
        words: dict[int, list[str]] = {}
        for job, source in jobs:
            facts = self._facts(job)
            mark = hash_run(resolve(job.config, facts, cores=resources.cores()), facts)
            self._marks[job.number] = mark
            if mark in self._jobs:
                continue
            self._jobs[mark] = job
            if mark not in self._past.finished:
                words[job.number] = [*job.words, self._invitation(job, mark, source).word()]
        returns = self._launcher.launch(list(words.values()), initial_job_idx=self._launched) if words else []
        self._launched += len(words)
        by_number = dict(zip(words, returns, strict=True))
        return [by_number.get(job.number) for job, _ in jobs]

    def recorded(self, jobs: Sequence[Job]) -> dict[int, StoredRun]:
        """Return what the store has of jobs, by number: of those that are finished, be it as the twin of another."""
        runs = runs_of(self._tracking.uri, self._parent.run_id)
        finished = {run.tags.get(RUN_HASH): run for run in runs if run.status == "FINISHED"}
        marks = {job.number: self._marks[job.number] for job in jobs}
        return {number: finished[mark] for number, mark in marks.items() if mark in finished}

    def _invitation(self, job: Job, mark: str, source: "Search | None") -> Invitation:
        broken = self._past.broken.get(in_words(job.varied))
        return Invitation(
            tags=self._parent.tags(varied=job.varied, identity=mark),
            replaces=None if broken is None else broken.tags[RECORD],
            search=None if source is None else dataclasses.asdict(source.rules),
            trial=None if source is None else job.number,
        )

    def _facts(self, job: Job) -> DataFacts:
        from cnnexp.datasets import read_facts  # no earlier than there are data to read

        data = job.config.data.whole()
        if (key := data.dataset_key) not in self._known:
            self._known[key] = read_facts(data, lambda _done, _total: None)
        return self._known[key]

    def _results(self) -> Results:
        """Return what the store knows of the runs: under another launcher nobody else does."""
        jobs = {in_words(job.varied): job for job in self._jobs.values()}
        results = Results(self._settings.objective)
        for run in runs_of(self._tracking.uri, self._parent.run_id):
            if (text := run.tags[VARIED]) in jobs:
                results.add(Result.recorded(jobs[text].number, jobs[text].name, jobs[text].varied, run))
        return results


def _raise_failures(returns: Sequence[JobReturn], refusals: Sequence[str]) -> None:
    failures = [str(one._return_value) for one in returns if one.status is not JobStatus.COMPLETED]
    if reasons := [*failures, *refusals]:
        told = "; ".join(one_line(reason)[:200] for reason in reasons[:3])
        raise SweepError(f"{len(reasons)} of {len(returns) + len(refusals)} runs failed: {told}")
