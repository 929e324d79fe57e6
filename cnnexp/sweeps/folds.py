"""Runs of folds within a sweep: each is the parent of its folds, and trains its final model when all have ended."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cnnexp.config import ExperimentConfig
from cnnexp.errors import CnnexpError, TrackingError
from cnnexp.records import FoldResult
from cnnexp.report.sweep_progress import SweepReport
from cnnexp.sweeps.attempts import Attempts
from cnnexp.sweeps.inspector import ResolvedRun
from cnnexp.sweeps.run_records import RunRecords, SweepRun
from cnnexp.sweeps.sweep_records import PreviousRuns, describe_varied, previous_runs_of
from cnnexp.tracking import OwnedRecord
from cnnexp.tracking.provenance import Commit
from cnnexp.tracking.store.connection import absolute_uri
from cnnexp.tracking.store.fold_results import read_fold
from cnnexp.tracking.tags import FOLD, PARENT, RUN_HASH, SWEEP_ID, VARIED

NONE_BEFORE = PreviousRuns(None, {}, {})


class FoldsParent:
    """A run of folds as the parent of its folds."""

    def __init__(self, record: OwnedRecord, commit: Commit | None) -> None:
        self.commit = commit
        self._record = record

    def tags(self, *, varied: Mapping[str, str], run_hash: str) -> dict[str, str]:
        """Return the tags of one of the folds; waits until the store has created the run of folds.

        Raises:
            TrackingError: the store refuses, or does not answer.

        """
        run_id = self._record.wait_for_run_id()
        return {
            PARENT: run_id,
            SWEEP_ID: run_id,
            VARIED: describe_varied(varied),
            RUN_HASH: run_hash,
            FOLD: varied["data.fold"],
        }


@dataclass(slots=True)
class _Begun:
    run: SweepRun
    left: set[int]  # folds that have not ended
    run_ids: dict[int, str] = field(default_factory=dict)  # of finished folds
    records: dict[int, OwnedRecord] = field(default_factory=dict)  # of those that were trained by this command
    reasons: list[str] = field(default_factory=list)  # why folds failed


class FoldsRuns:
    """All runs of folds that have begun; knows for each which folds are left."""

    def __init__(
        self,
        records: RunRecords,
        report: SweepReport,
        *,
        resolve: Callable[[ExperimentConfig], ResolvedRun],
        retries: int,
    ) -> None:
        self._records = records
        self._report = report
        self._resolve = resolve
        self._retries = retries
        self._begun: dict[int, _Begun] = {}  # by the number of the job

    def begin(self, run: SweepRun) -> list[SweepRun]:
        """Begin a run of folds, or continue it; return the runs of the folds that are left.

        Raises:
            TrackingError: the store refuses, or does not answer.

        """
        folds = run.job.config.data.folds
        assert folds is not None
        self._records.begin(run)
        parent = FoldsParent(run.record, run.parent.commit)
        uri = run.job.config.tracking.uri
        continued = run.previous.to_continue(run.run_hash)
        previous = NONE_BEFORE if continued is None else previous_runs_of(continued, uri)
        begun = _Begun(run, set(range(1, folds + 1)))
        self._begun[run.job.number] = begun
        runs = [self._fold(run, fold, parent, previous) for fold in range(1, folds + 1)]
        for one in runs:
            if one.run_hash in previous.finished:
                begun.run_ids[one.job.fold or 0] = previous.finished[one.run_hash].run_id
                begun.left.discard(one.job.fold or 0)
        left = [one for one in runs if one.job.fold in begun.left]
        self._report.expect(len(left))
        return left or self._last(begun)

    def _fold(self, run: SweepRun, fold: int, parent: FoldsParent, previous: PreviousRuns) -> SweepRun:
        job = run.job.of_fold(fold)
        resolved = self._resolve(job.config)
        return SweepRun(
            job=job,
            run_hash=resolved.run_hash,
            config=resolved.config,
            data_digest=resolved.data_digest,
            attempts=Attempts(retries=self._retries),
            parent=parent,
            previous=previous,
        )

    def ended(self, run: SweepRun, *, failure: str | None) -> list[SweepRun]:
        """Note that a fold has ended; return what follows: nothing, or the run of folds with all that they left."""
        begun, fold = self._begun[run.job.number], run.job.fold
        assert fold is not None
        begun.left.discard(fold)
        if failure is None:
            begun.records[fold] = run.record
        else:
            begun.reasons.append(f"Fold {fold} failed: {failure}")
        return [] if begun.left else self._last(begun)

    def is_cancelled(self, run: SweepRun) -> bool:
        """Return whether a run is a fold that need not begin, because another fold has failed; it then has ended."""
        if run.job.fold is None or not (begun := self._begun[run.job.number]).reasons:
            return False
        begun.left.discard(run.job.fold)
        if not begun.left:
            self._last(begun)
        return True

    def _last(self, begun: _Begun) -> list[SweepRun]:
        try:
            if not begun.reasons:
                begun.run.folds = self._results(begun)
                return [begun.run]
        except CnnexpError as error:
            begun.reasons.append(str(error))
        self._records.fail(begun.run, begun.reasons[0], traceback="")
        return []

    def _results(self, begun: _Begun) -> tuple[FoldResult, ...]:
        """Read what the folds have recorded, which has to be in the store by now."""
        uri = absolute_uri(begun.run.job.config.tracking.uri)
        for fold, record in begun.records.items():
            record.wait()
            if record.kept_reason is not None:
                raise TrackingError(
                    f"Fold {fold} has to be in the store before the folds are put together. {record.kept_reason}"
                )
            begun.run_ids[fold] = record.wait_for_run_id()
        mean = begun.run.job.config.data.final == "mean"
        return tuple(read_fold(uri, begun.run_ids[fold], fold=fold, with_model=mean) for fold in sorted(begun.run_ids))

    @property
    def runs(self) -> list[SweepRun]:
        """The runs of folds that this command has begun."""
        return [begun.run for begun in self._begun.values()]

    def kill_unfinished(self) -> None:
        """End the runs of folds that were stopped with their sweep."""
        for begun in self._begun.values():
            if not begun.run.has_ended:
                self._records.kill(begun.run)
