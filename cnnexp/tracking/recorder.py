"""Recording one run: what the training process sees of it.

Everything is appended to a folder on disk (see `outbox`) and delivered by another process (see `delivery_process`),
so that no step of training ever waits for a store.
"""

import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from cnnexp.config import TrackingConfig
from cnnexp.config.columns import FOUND
from cnnexp.errors import NonFiniteLossError, TrackingError
from cnnexp.records import EpochValues, RunInfo, RunResult
from cnnexp.system.secrets import masked
from cnnexp.system.signals import raising_on_sigterm
from cnnexp.tracking import logged_model
from cnnexp.tracking.outbox import entries
from cnnexp.tracking.outbox.delivery_client import delivery_client
from cnnexp.tracking.outbox.owned_record import OwnedRecord
from cnnexp.tracking.outbox.record_folder import Entry
from cnnexp.tracking.outbox.record_writer import RecordWriter
from cnnexp.tracking.provenance import CommitReader
from cnnexp.tracking.receipt import Receipt, wait_for_delivery
from cnnexp.tracking.store import connection
from cnnexp.tracking.tags import DESCRIPTION


@contextmanager
def recording(
    settings: TrackingConfig,
    *,
    run_name: str,
    parameters: Mapping[str, entries.Parameter],
    config_yaml: str,
    tags: Mapping[str, str],
    key: str | None = None,
    run_id: str | None = None,
    replaces: str | None = None,
) -> Iterator["Recorder"]:
    """Record one run, from here to the end of the block, however it ends.

    The run is FINISHED when the block ends, KILLED by Ctrl-C and SIGTERM, FAILED by any other exception. The record
    keeps the traceback, and the exception is raised again. A run id in ``MLFLOW_RUN_ID`` names a run to continue.

    Args:
        settings: Where to.
        run_name: As the UI shows it.
        parameters: Flat names and values, such as ``optimizer.learning_rate``.
        config_yaml: The whole configuration, kept as the artifact ``config.yaml``.
        tags: More of the run; ``mlflow.parentRunId`` puts it under a parent.
        key: Of the record; None: a new one.
        run_id: The run to continue; None: a new one.
        replaces: Key of the record of a broken run that this one repeats: that run is deleted.

    Raises:
        TrackingError: Within ten seconds: the store cannot be reached. Later, from :meth:`Recorder.check`: it refuses.

    """
    uri = connection.absolute_uri(settings.uri)
    delivery_client()  # first, because its process imports MLflow while this one continues
    connection.reach(uri)
    with raising_on_sigterm():
        commit = CommitReader.start(Path.cwd())
        record = OwnedRecord.begin(
            settings,
            run_name=run_name,
            parameters=parameters,
            config_yaml=config_yaml,
            tags=tags,
            commit=None,
            key=key,
            run_id=os.environ.get("MLFLOW_RUN_ID") or run_id,
            replaces=replaces,
        )

        def notify() -> None:
            record.add_commit(commit.take(wait=False))
            record.notify()

        recorder = Recorder(record.writer, notify=notify, record=record)
        try:
            yield recorder
        except BaseException as error:
            status = _status(error)
            _end(record, commit, status, error)
            recorder.receipt = wait_for_delivery(record, uri=uri, killed=status == "KILLED")
            raise
        _end(record, commit, "FINISHED", None)
        recorder.receipt = wait_for_delivery(record, uri=uri, killed=False)


def _status(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "KILLED"
    return "FINISHED" if isinstance(error, SystemExit) and not error.code else "FAILED"


def _end(record: OwnedRecord, commit: CommitReader, status: str, error: BaseException | None) -> None:
    """Record the end; where the disk is full, at least the status of a run that failed."""
    for step in (partial(_add_last, record, commit, error), partial(record.end, status)):
        try:
            step()
        except TrackingError:
            if error is None:
                raise


def _add_last(record: OwnedRecord, commit: CommitReader, error: BaseException | None) -> None:
    if error is not None and not isinstance(error, KeyboardInterrupt):  # a run that is stopped may be gone on with
        record.writer.use_reserve()
        for name, content in entries.traceback_file("".join(traceback.format_exception(error))).items():
            record.writer.file(name, content)
        if isinstance(error, NonFiniteLossError):  # which no later process goes on with
            record.writer.append(entries.tags({"failure": masked(str(error))}))
    record.add_commit(commit.take(wait=True))


class Recorder:
    """Takes what one run finds out and writes it into the run's record."""

    def __init__(self, writer: RecordWriter, *, notify: Callable[[], None], record: OwnedRecord | None = None) -> None:
        """Take the record's writer.

        Args:
            writer: Of the record.
            notify: Called when there is something to deliver.
            record: The record, where this process owns it; None: its owner receives what the store answers.

        """
        self._writer = writer
        self._notify = notify
        self._record = record
        self._notes: list[str] = []  # which values could not be recorded
        self._receipt: Receipt | None = None

    @property
    def run_id(self) -> str | None:
        """Of the run; known some time after the store has created it, from :meth:`check`."""
        return None if self._record is None else self._record.run_id

    @property
    def receipt(self) -> Receipt:
        """Where the run went; known after the block of :func:`recording`."""
        if self._receipt is None:
            raise RuntimeError("The receipt is written when the block of recording() ends.")
        return self._receipt

    @receipt.setter
    def receipt(self, receipt: Receipt) -> None:
        self._receipt = receipt

    def info(self, info: RunInfo) -> None:
        """Record what the run is going to do: the data set, and what `auto` settings became."""
        self._writer.append(entries.dataset(info))
        self._writer.append(entries.params(entries.resolved(info)))
        found = {} if info.found is None else {FOUND: "optimizer.learning_rate"}
        self._writer.append(entries.tags({DESCRIPTION: entries.describe_info(info), **found}))
        self._notify()

    def evaluated(self, *, dataset: Entry, metrics: Mapping[str, float], description: str) -> None:
        """Record what an evaluation of a saved model found: the data and the numbers; see `evaluated_dataset`."""
        self._writer.append(dataset)
        self._writer.append(entries.metrics(metrics, step=0, kind="metrics", notes=self._notes))
        self._writer.append(entries.tags({DESCRIPTION: description}))
        self._notify()

    def epoch(self, values: EpochValues) -> None:
        """Record the metrics of one epoch under its number."""
        metrics = {
            "train/loss": values.train_loss,
            "train/accuracy": values.train_accuracy,
            "val/loss": values.val_loss,
            "val/accuracy": values.val_accuracy,
            "learning_rate": values.learning_rate,
        }
        self.metrics(metrics, step=values.epoch)

    def metrics(self, metrics: Mapping[str, float], *, step: int) -> None:
        """Record metrics of a step; infinite and undefined values are left out and noted."""
        self._writer.append(entries.metrics(metrics, step=step, kind="metrics", notes=self._notes))
        self._notify()

    def tags(self, tags: Mapping[str, str]) -> None:
        """Record tags."""
        self._writer.append(entries.tags(tags))

    def files(self, files: Mapping[str, bytes]) -> None:
        """Keep artifacts under their names."""
        for name, content in files.items():
            self._writer.file(name, content)

    def check(self) -> None:
        """Find out whether the store has refused the run, without waiting.

        Raises:
            TrackingError: It has: training on would record nothing.

        """
        if self._record is not None:
            self._record.delivery.check()

    def finish(
        self, result: RunResult, files: Mapping[str, bytes], *, with_model: bool = True, frozen: bool = False
    ) -> None:
        """Record what came out: final metrics, artifacts under their names at the root, the model, a description.

        Models with a `frozen` backbone are alike in all runs of a sweep, and stored so.
        """
        self.files(files)
        if with_model:
            self._lay_out_model(result)
        if with_model and frozen:
            self._writer.share(logged_model.LARGE_FILES)
        if "confusion_matrix.png" in files:  # at one step in all runs, or the UI never shows them side by side
            self._writer.append(entries.image("confusion_matrix", "confusion_matrix.png", step=0))
        self._writer.append(entries.metrics(result.metrics, step=0, kind="final", notes=self._notes))
        self._writer.append(entries.tags({DESCRIPTION: entries.describe_result(result, notes=self._notes)}))

    def _lay_out_model(self, result: RunResult) -> None:
        with self._writer.new_model() as folder:
            logged_model.lay_out(
                folder,
                model_file=result.model_file,
                card=result.card,
                features_file=result.features_file,
                example=result.example,
                code=result.code,
            )
