"""Recording one run: what the training process sees of it.

Everything is appended to a folder on disk (see `outbox`) and delivered by another process (see `delivery_process`),
so that no step of training ever waits for a store.
"""

import os
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from cnnexp.config import TrackingConfig
from cnnexp.errors import TrackingError
from cnnexp.records import EpochValues, RunPlan, RunResult
from cnnexp.system.signals import raising_on_sigterm
from cnnexp.system.store_uri import masked
from cnnexp.tracking import logged_model
from cnnexp.tracking.outbox import entries
from cnnexp.tracking.outbox.delivery_client import delivery_client, wait_for_delivery
from cnnexp.tracking.outbox.entries import of_plan, of_result
from cnnexp.tracking.outbox.record_folder import Entry, Opening, RecordWriter, new_key, now
from cnnexp.tracking.provenance import CommitReader, source_tags
from cnnexp.tracking.receipt import Receipt
from cnnexp.tracking.store import connection


@contextmanager
def recording(
    settings: TrackingConfig,
    *,
    run_name: str,
    parameters: Mapping[str, entries.Parameter],
    config_yaml: str,
    tags: Mapping[str, str],
    replaces: str | None = None,
) -> Iterator["Recorder"]:
    """Record one run, from here to the end of the block, however it ends.

    The run is FINISHED when the block ends, KILLED by Ctrl-C and SIGTERM, FAILED by any other exception, whose
    traceback it keeps; the exception goes on. A run id in ``MLFLOW_RUN_ID`` is continued instead of making a new run.

    Args:
        settings: Where to.
        run_name: As the UI shows it.
        parameters: Flat names and values, such as ``optimizer.learning_rate``.
        config_yaml: The whole configuration, kept as the artifact ``config.yaml``.
        tags: More of the run; ``mlflow.parentRunId`` puts it under a parent.
        replaces: Key of the record of a broken run that this one repeats: that run is deleted.

    Raises:
        TrackingError: Within ten seconds: the store cannot be reached. Later, from :meth:`Recorder.check`: it refuses.

    """
    uri = connection.absolute_uri(settings.uri)
    delivery_client()  # first of all: it imports MLflow while this process goes on
    connection.reach(uri)
    opening = opening_of(
        settings, run_name=run_name, run_id=os.environ.get("MLFLOW_RUN_ID"), tags=tags, replaces=replaces
    )
    with raising_on_sigterm():
        recorder = Recorder(RecordWriter(Path(settings.outbox).absolute(), opening), uri=uri)
        try:
            recorder.begin(parameters, config_yaml)
            yield recorder
        except BaseException as error:
            recorder.end(_status(error), error)
            raise
        recorder.end("FINISHED", None)


def opening_of(
    settings: TrackingConfig,
    *,
    run_name: str,
    run_id: str | None,
    tags: Mapping[str, str],
    replaces: str | None = None,
) -> Opening:
    """Return how the record of a run that starts now begins."""
    return Opening(
        key=new_key(run_name),
        uri=connection.absolute_uri(settings.uri),
        artifacts=connection.absolute_location(settings.artifacts),
        experiment=settings.experiment,
        run_name=run_name,
        run_id=run_id,
        started=now(),
        tags={**source_tags(), **tags},
        replaces=replaces,
    )


def _status(error: BaseException) -> str:
    if isinstance(error, KeyboardInterrupt):
        return "KILLED"
    return "FINISHED" if isinstance(error, SystemExit) and not error.code else "FAILED"


class Recorder:
    """Takes what one run finds out; see :func:`recording`."""

    def __init__(self, outgoing: RecordWriter, *, uri: str) -> None:
        self._outgoing = outgoing
        self._uri = uri
        self._commit: CommitReader | None = None
        self._notes: list[str] = []  # what could not be recorded as it came
        self._receipt: Receipt | None = None
        self.run_id: str | None = None  # known some time after the store has taken the run, from `check`

    def begin(self, parameters: Mapping[str, entries.Parameter], config_yaml: str) -> None:
        """Record what was asked for."""
        self._commit = CommitReader(Path.cwd())
        self._append(entries.params(parameters))
        self.files({"config.yaml": masked(config_yaml).encode()})
        self._notify()

    def plan(self, plan: RunPlan) -> None:
        """Record what the run is going to do: the data set, and what `auto` settings became."""
        self._append(entries.dataset(plan))
        self._append(entries.params(entries.resolved(plan)))
        self._append(entries.tags({"mlflow.note.content": of_plan(plan)}))
        self._notify()

    def evaluated(self, *, dataset: Entry, metrics: Mapping[str, float], description: str) -> None:
        """Record what an evaluation of a saved model found: the data and the numbers; see `evaluated_dataset`."""
        self._append(dataset)
        self._append(entries.metrics(metrics, step=0, kind="metrics", notes=self._notes))
        self._append(entries.tags({"mlflow.note.content": description}))
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
        self._append(entries.metrics(metrics, step=step, kind="metrics", notes=self._notes))
        self._notify()

    def tags(self, tags: Mapping[str, str]) -> None:
        """Record tags."""
        self._append(entries.tags(tags))

    def files(self, files: Mapping[str, bytes]) -> None:
        """Keep artifacts under their names."""
        for name, content in files.items():
            self._outgoing.file(name, content)

    def check(self) -> None:
        """Say whether the store has taken the run, without waiting.

        Raises:
            TrackingError: It refused: training on would record nothing.

        """
        for answer in delivery_client().answers(self._outgoing.folder):
            if answer["event"] == "refused":
                raise TrackingError(answer["reason"])
            self.run_id = answer["run_id"]

    def finish(self, result: RunResult, files: Mapping[str, bytes]) -> None:
        """Record what came out: final metrics, artifacts under their names at the root, the model, a description."""
        self.files(files)
        logged_model.lay_out(
            self._outgoing.folder / "model",
            model_file=result.model_file,
            card=result.card,
            features_file=result.features_file,
            example=result.example,
        )
        if "confusion_matrix.png" in files:  # at one step in all runs, or the UI never shows them side by side
            self._append(entries.image("confusion_matrix", "confusion_matrix.png", step=0))
        self._append(entries.metrics(result.metrics, step=0, kind="final", notes=self._notes))
        self._append(entries.tags({"mlflow.note.content": of_result(result, notes=self._notes)}))

    def end(self, status: str, error: BaseException | None) -> None:
        """Record how the run ended, see to its delivery, and write the receipt."""
        try:
            if error is not None:
                self.files({"traceback.txt": "".join(traceback.format_exception(error)).encode()})
            self._keep_commit(wait=True)
            self._outgoing.end(status)
        except TrackingError:
            if error is None:
                raise
        self._receipt = wait_for_delivery(self._outgoing.folder, uri=self._uri, killed=status == "KILLED")

    @property
    def receipt(self) -> Receipt:
        """Where the run went; known after the block of :func:`recording`."""
        if self._receipt is None:
            raise RuntimeError("The receipt is written when the block of recording() ends.")
        return self._receipt

    def _append(self, entry: Entry) -> None:
        self._outgoing.append(entry)

    def _notify(self) -> None:
        self._keep_commit(wait=False)
        delivery_client().notify(self._outgoing.folder, ended=False)

    def _keep_commit(self, *, wait: bool) -> None:
        """Record the git commit as soon as git has answered, once."""
        if self._commit is None or (self._commit.is_alive() and not wait):
            return
        commit, self._commit = self._commit.result(), None
        if commit is not None:
            self._append(entries.tags({"mlflow.source.git.commit": commit.sha}))
            if commit.diff:
                self.files({"uncommitted.diff": commit.diff})
