"""A run of folds as a command of its own: a small sweep without a parent, whose only job is the run of folds."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from cnnexp.config import ExperimentConfig
from cnnexp.errors import SweepError
from cnnexp.report.console import open_console
from cnnexp.report.run.header import print_header
from cnnexp.report.run.terminal import print_folds_result
from cnnexp.report.sweep_progress import SweepReport
from cnnexp.sweeps.context import SweepContext
from cnnexp.sweeps.executors import forkserver
from cnnexp.sweeps.executors.process_executor import ProcessExecutor
from cnnexp.sweeps.jobs import Job, OneJob
from cnnexp.sweeps.resume_tags import tags_to_resume
from cnnexp.sweeps.scheduler import Scheduler
from cnnexp.sweeps.sweep_records import PreviousRuns
from cnnexp.system import resources
from cnnexp.system.files import at_home, remove_if_empty
from cnnexp.system.find_devices import devices
from cnnexp.tracking import deliver_orphans, is_running
from cnnexp.tracking.provenance import Commit, CommitReader
from cnnexp.tracking.receipt import Receipt, delivered, wait_for_delivery
from cnnexp.tracking.store.connection import absolute_uri, reach
from cnnexp.tracking.store.find_runs import runs_of_folds
from cnnexp.tracking.tags import FOLD, FOLDS, PARENT, RUN_HASH, VARIED


class _Above:
    """What is above the run of folds: nothing, or the sweep of an external launcher."""

    def __init__(self, context: SweepContext, overrides: Sequence[str], config_dir: str | None) -> None:
        self._tags = context.tags or tags_to_resume(overrides, config_dir=config_dir)
        self._commit_reader = CommitReader.start(Path.cwd())

    @property
    def commit(self) -> Commit | None:
        """The state of the code."""
        return self._commit_reader.result()

    def tags(self, *, varied: Mapping[str, str], run_hash: str) -> dict[str, str]:
        """Return the tags of the run of folds."""
        return {VARIED: "", RUN_HASH: run_hash, **self._tags}


def run_folds(
    config: ExperimentConfig,
    *,
    name: str,
    overrides: Sequence[str],
    context: SweepContext,
    folder: Path,
    config_dir: str | None,
) -> tuple[Mapping[str, float], Receipt]:
    """Train the folds that are not finished, and the final model; return its metrics, and where it is recorded.

    `folder` gets what the processes print, where they print anything; `config_dir` is that of ``--config-dir``.

    Raises:
        SweepError: a fold failed.
        KeyboardInterrupt: it was stopped; the same command continues it.
        CnnexpError: the data or the store failed.

    """
    reach(absolute_uri(config.tracking.uri))
    deliver_orphans(at_home(config.tracking.outbox), tags=(FOLDS, FOLD))
    report = SweepReport()
    limit = config.sweep.workers if isinstance(config.sweep.workers, int) else None
    forkserver.start()
    per_gpu = config.sweep.per_gpu if isinstance(config.sweep.per_gpu, int) else None
    executor = ProcessExecutor(cores=resources.cores(), limit=limit, devices=devices(), per_gpu=per_gpu)
    job = Job(number=0, overrides=tuple(overrides), varied={}, config=config, name=name, label=name, environment={})
    scheduler = Scheduler(
        settings=config.sweep,
        source=OneJob(job),
        parent=_Above(context, overrides, config_dir),
        previous=_previous(config, context),
        executor=executor,
        report=report,
        folder=folder,
    )
    with report:
        report.begin([("folds", f"{config.data.folds}, then a final model; {executor.capacity}")], total=1)
        try:
            status = scheduler.run()
        finally:
            report.stop()
            scheduler.deliver()
            remove_if_empty(folder)
    if status == "KILLED":
        report.note("Finished folds are kept: the same command goes on with the others.")
        raise KeyboardInterrupt
    return _ended(scheduler, config, report)


def _previous(config: ExperimentConfig, context: SweepContext) -> PreviousRuns:
    """Return what earlier commands left of runs of so many folds, by run hash; those that are still going left out."""
    tracking, folds = config.tracking, config.data.folds
    if config.sweep.resume == "never" or folds is None:
        return PreviousRuns(None, {}, {})
    outbox = at_home(tracking.outbox)
    found = runs_of_folds(tracking.uri, folds=folds, experiment=tracking.experiment)
    runs = {run.tags[RUN_HASH]: run for run in reversed(found) if run.parent_id == context.tags.get(PARENT)}
    unfinished = {
        run_hash: run
        for run_hash, run in runs.items()
        if run.status != "FINISHED" and not is_running(outbox, uri=tracking.uri, tag=RUN_HASH, value=run_hash)
    }
    finished = {run_hash: run for run_hash, run in runs.items() if run.status == "FINISHED"}
    return PreviousRuns(None, finished, unfinished)


def _ended(scheduler: Scheduler, config: ExperimentConfig, report: SweepReport) -> tuple[Mapping[str, float], Receipt]:
    """Print what came out; return the metrics, and where the run is."""
    uri = absolute_uri(config.tracking.uri)
    (result,) = scheduler.results.all
    if not scheduler.runs_of_folds:
        run_id = str(result.run_id)
        report.note(f"This run of folds was finished before, as run {run_id}; sweep.resume=never trains it again.")
        return result.metrics, delivered(uri, run_id)
    (run,) = scheduler.runs_of_folds
    receipt = wait_for_delivery(run.record, uri=uri, killed=False)
    if run.summary is None:
        raise SweepError(result.reason)
    console = open_console(required=False)
    print_header(console, run.summary.info, asdict(config), named=False)
    print_folds_result(console, run.summary)
    return run.summary.metrics, receipt
