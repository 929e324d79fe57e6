"""The runs that are still to do: each is composed, and its data inspected, when its turn comes."""

from collections.abc import Callable

from cnnexp.config import ExperimentConfig
from cnnexp.errors import CnnexpError
from cnnexp.report.sweep_progress import SweepReport
from cnnexp.sweeps.attempts import Attempts
from cnnexp.sweeps.executors.protocol import Executor
from cnnexp.sweeps.folds import FoldsRuns
from cnnexp.sweeps.inspector import DatasetInspector, ResolvedRun
from cnnexp.sweeps.jobs import Job, JobSource
from cnnexp.sweeps.run_records import RunRecords, SweepRun
from cnnexp.sweeps.sweep_records import Parent, PreviousRuns


class RunQueue:
    """Takes jobs from a source and leaves out runs that were done before, or equal another one of the sweep."""

    def __init__(
        self,
        source: JobSource,
        records: RunRecords,
        parent: Parent,
        previous: PreviousRuns,
        inspector: DatasetInspector,
        executor: Executor,
        report: SweepReport,
        *,
        retries: int,
        is_idle: Callable[[], bool],
        is_stopping: Callable[[], bool],
    ) -> None:
        self._source = source
        self._records = records
        self._parent = parent
        self._previous = previous
        self._inspector = inspector
        self._executor = executor
        self._report = report
        self._retries = retries
        self._is_idle = is_idle
        self._is_stopping = is_stopping
        self._returned: list[SweepRun] = []
        self._told = False  # that a GPU which stands here is not used
        self._folds = FoldsRuns(records, report, resolve=self._resolved, retries=retries)

    @property
    def is_independent(self) -> bool:
        """Whether the next run does not depend on how the runs before it go, so that it can be taken early."""
        return bool(self._returned) or self._source.independent

    def put_back(self, run: SweepRun) -> None:
        """Put a run first in line: there was no room for it, or it is attempted again."""
        self._returned.insert(0, run)

    def next_run(self) -> SweepRun | None:
        """Return the next run; None: there is none, none until another has ended, or the sweep is to stop.

        Raises:
            CnnexpError: the data of the very first run cannot be read.

        """
        while self._returned:
            if not self._folds.is_cancelled(returned := self._returned.pop(0)):
                return returned
        while not self._is_stopping() and (job := self._next_job()) is not None:
            run = self._resolve(job)
            if run is not None:
                return run
        return None

    @property
    def runs_of_folds(self) -> list[SweepRun]:
        """Those that this command has begun."""
        return self._folds.runs

    def fold_ended(self, run: SweepRun, *, failure: str | None) -> None:
        """Note that a fold has ended; its run of folds follows when it was the last one."""
        self._returned = [*self._folds.ended(run, failure=failure), *self._returned]

    def kill_unfinished_folds(self) -> None:
        """End the runs of folds that are stopped with the sweep."""
        self._folds.kill_unfinished()

    def _resolved(self, config: ExperimentConfig) -> ResolvedRun:
        devices = self._executor.devices
        if config.training.device == "auto" and devices.problem is not None and not self._told:
            self._told = True
            self._report.note(devices.problem, attention=True)
        return self._inspector.resolve(config, cores=self._executor.cores, devices=devices)

    def _next_job(self) -> Job | None:
        while True:
            try:
                return self._source.next_job()
            except CnnexpError as error:
                self._records.refuse(str(error))

    def _resolve(self, job: Job) -> SweepRun | None:
        """Return the run of a job; None: it is done already, or its data cannot be read."""
        attempts = Attempts(retries=self._retries)
        try:
            resolved = self._resolved(job.config)
        except CnnexpError as error:
            if not self._records.results.all and self._is_idle():
                raise  # nothing has begun, and most likely nothing can
            run = SweepRun(job, "", job.config, "", attempts, self._parent, self._previous)
            self._records.begin(run)
            self._records.fail(run, str(error), traceback="")
            return None
        run_hash = resolved.run_hash
        if self._records.results.knows(run_hash):
            if run_hash not in self._previous.finished:
                self._report.note(f"{job.label} is the same run as one before; it is done once.")
            self._records.skip_duplicate(job, run_hash)
            return None
        if run_hash in self._previous.finished:
            self._records.skip_finished(job, run_hash, self._previous.finished[run_hash])
            return None
        self._records.results.expect(run_hash, job.number)
        run = SweepRun(job, run_hash, resolved.config, resolved.data_digest, attempts, self._parent, self._previous)
        return self._first_fold(run) if job.config.data.has_folds else run

    def _first_fold(self, run: SweepRun) -> SweepRun | None:
        """Begin a run of folds; return the first of them, or what else is left of it, and put the others in line."""
        left = self._folds.begin(run)
        self._returned += left[1:]
        return left[0] if left else None
