"""A run of folds, reported and recorded: what all of them say together, and its final model."""

from collections.abc import Callable, Sequence
from dataclasses import asdict

from cnnexp.config import ExperimentConfig
from cnnexp.diagnosis import failed_learning
from cnnexp.records import EpochValues, FoldResult, RunCommand, RunInfo
from cnnexp.runs import folds_experiment
from cnnexp.runs.record_run import Outcome, Report, code_of, logged, record_result, shortage_as_error
from cnnexp.runs.resuming import NOT_RESUMED, Resuming
from cnnexp.runs.starting_network import starting_network
from cnnexp.tracking import Recorder
from cnnexp.training import GraphCache


def record_folds(
    config: ExperimentConfig,
    results: Sequence[FoldResult],
    *,
    name: str,
    command: RunCommand,
    report: Report,
    recorder: Recorder,
    on_epoch: Callable[[EpochValues], object],
    graphs: GraphCache | None = None,
    resuming: Resuming = NOT_RESUMED,
) -> Outcome:
    """Put the folds together, train the final model and record both; the curves of the run are means over the folds.

    `on_epoch` gets every epoch of the final training.

    Raises:
        CnnexpError: the data, the store or the training failed.

    """
    recorder.files(code_of(config))
    with logged(recorder) as log:

        def on_start(info: RunInfo) -> None:
            report.info(info, asdict(config))
            log.info(info, asdict(config))
            recorder.info(info)

        with shortage_as_error(), starting_network(config) as pretrained:
            result = folds_experiment.run(
                config,
                results,
                pretrained=pretrained,
                name=name,
                on_start=on_start,
                on_epoch=on_epoch,
                on_progress=report.progress,
                graphs=graphs,
                resuming=resuming,
            )
        assert result.folds is not None
        for values in result.history.epochs:
            log.epoch(values)
            recorder.epoch(values)
        for score in result.folds.scores:
            values_of_fold = {"accuracy": score.accuracy, "macro_f1": score.macro_f1, "log_loss": score.log_loss}
            recorder.metrics({f"fold/{name}": value for name, value in values_of_fold.items()}, step=score.fold)
        log.result(result)
        record_result(result, config, command=command, recorder=recorder)
    report.result(result)
    return Outcome(result.metrics, pruned_after=None, failed_learning=failed_learning(result.findings))
