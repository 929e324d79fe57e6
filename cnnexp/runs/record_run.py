"""One run, reported and recorded on the way; the same alone and in a sweep."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from cnnexp.config import ExperimentConfig
from cnnexp.config.columns import extensions_of
from cnnexp.config.extended import code_files
from cnnexp.diagnosis import failed_learning
from cnnexp.errors import MemoryShortageError
from cnnexp.records import EpochValues, PrunedRun, RunCommand, RunInfo, RunResult
from cnnexp.report.run.log import RunLog
from cnnexp.runs import artifacts, experiment
from cnnexp.runs.resuming import NOT_RESUMED, Resuming
from cnnexp.runs.starting_network import starting_network
from cnnexp.tracking import Recorder
from cnnexp.tracking.kept_models import train_again
from cnnexp.training import GraphCache, is_memory_shortage

LOG = "log.txt"


class Report(Protocol):
    """Shows a run while it happens."""

    def info(self, info: RunInfo, settings: Mapping[str, Any]) -> None:
        """Show what the run is going to do."""

    def progress(self, stage: str, done: int, total: int) -> None:
        """Show how far a stage is."""

    def epoch(self, values: EpochValues) -> None:
        """Show an epoch."""

    def result(self, result: RunResult) -> None:
        """Show the result."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run returns to its caller."""

    metrics: Mapping[str, float]  # final ones; of a pruned run those of its best epoch alone
    pruned_after: int | None  # epoch; None: the run was not pruned
    failed_learning: str | None  # how a run learned nothing, such as "collapsed"; None: it learned


def record_run(
    config: ExperimentConfig,
    *,
    name: str,
    command: RunCommand,
    report: Report,
    recorder: Recorder,
    should_prune: Callable[[EpochValues], bool],
    graphs: GraphCache | None = None,
    resuming: Resuming = NOT_RESUMED,
) -> Outcome:
    """Train, evaluate and record one configuration; `should_prune` is asked after every epoch whether to stop there.

    `graphs` are those of earlier runs in this process, `resuming` is where the run goes on from.

    Raises:
        CnnexpError: the data, the store or the training failed.

    """
    recorder.files(code_of(config))
    with logged(recorder) as log:

        def on_start(info: RunInfo) -> None:
            report.info(info, asdict(config))
            log.info(info, asdict(config))
            recorder.info(info)
            recorder.files(artifacts.rate_files(info, command))

        def on_epoch(values: EpochValues) -> bool:
            report.epoch(values)
            log.epoch(values)
            recorder.epoch(values)
            recorder.check()
            return should_prune(values)

        with shortage_as_error(), starting_network(config) as pretrained:
            result = experiment.run(
                config,
                pretrained=pretrained,
                name=name,
                on_start=on_start,
                on_epoch=on_epoch,
                on_progress=report.progress,
                graphs=graphs,
                resuming=resuming,
            )
        if isinstance(result, PrunedRun):
            return _record_pruned(result, recorder)
        log.result(result)
        record_result(result, config, command=command, recorder=recorder)
    report.result(result)
    return Outcome(result.metrics, pruned_after=None, failed_learning=failed_learning(result.findings))


@contextmanager
def shortage_as_error() -> Iterator[None]:
    """Raise an error in one line where memory runs out beside the steps of a training, which have their own."""
    try:
        yield
    except Exception as error:
        if not is_memory_shortage(error):
            raise
        raise MemoryShortageError(
            "Memory ran out before or after the steps of the training: while images were read, or the model was "
            "evaluated or saved. Try fewer or smaller images (data.limit, data.size), or a machine with more memory."
        ) from error


def record_result(result: RunResult, config: ExperimentConfig, *, command: RunCommand, recorder: Recorder) -> None:
    """Record what came out of a run, with its model unless ``tracking.models`` is ``none``.

    With ``best`` it has its model too: which run is the best of a sweep is known to the sweep.
    """
    kept = config.tracking.models
    if kept != "all":
        recorder.tags(train_again(command))
    frozen = config.training.freeze == "backbone"
    recorder.finish(result, artifacts.files(result, command), with_model=kept != "none", frozen=frozen)


def code_of(config: ExperimentConfig) -> dict[str, bytes]:
    """Return the files of the user's code that a run uses, as artifacts."""
    return {name: text.encode() for name, text in code_files(extensions_of(config)).items()}


@contextmanager
def logged(recorder: Recorder) -> Iterator[RunLog]:
    """Record the log of the run when the block ends, however it ends."""
    log = RunLog()
    try:
        yield log
    except BaseException as error:
        recorder.files({LOG: log.end(error)})
        raise
    recorder.files({LOG: log.end(None)})


def _record_pruned(run: PrunedRun, recorder: Recorder) -> Outcome:
    epochs = len(run.history.epochs)
    recorder.metrics(run.metrics, step=0)
    recorder.tags({"pruned": str(epochs)})
    return Outcome(run.metrics, pruned_after=epochs, failed_learning=None)
