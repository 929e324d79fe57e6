"""The straight line of a run of folds, once they are trained: what all of them say, and the final model."""

import dataclasses
import statistics
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from cnnexp import training
from cnnexp.config import ExperimentConfig
from cnnexp.config.columns import extensions_of
from cnnexp.config.extended import code_files
from cnnexp.data_check import check, summary, with_labels_of_run
from cnnexp.datasets import Splits, inspect_dataset, trainable_splits
from cnnexp.diagnosis import RunEvidence, diagnose, not_assessed
from cnnexp.evaluation import evaluate
from cnnexp.records import (
    DataReport,
    EpochValues,
    Evaluation,
    FoldResult,
    FoldsReport,
    History,
    PretrainedNetwork,
    RunInfo,
    RunResult,
)
from cnnexp.runs import experiment
from cnnexp.runs.evaluate_splits import EvaluatedSplits, final_metrics
from cnnexp.runs.final_model import FinalModel, prepare_final
from cnnexp.runs.images_to_crop import with_images_to_crop
from cnnexp.runs.origin import origin_of
from cnnexp.runs.pooled import Pooled, fold_scores, mean_history, mean_metrics, pool
from cnnexp.runs.pretrained import data_for, notes_on, refuse_trained_images, trained_on
from cnnexp.runs.resolved_settings import resolve
from cnnexp.runs.resuming import NOT_RESUMED, Resuming
from cnnexp.runs.run_evidence import evidence_of
from cnnexp.runs.split_outputs import SplitOutputs
from cnnexp.saved.build_card import build_card, with_code
from cnnexp.saved.build_reference import OutOfFoldScores
from cnnexp.system import resources
from cnnexp.training import GraphCache

SINGLE_SPLIT = 0.2  # share of a test split that the interval is compared with, where data.test is 0
WORSE = 0.1  # accuracy on training images by which a final model is below its folds that is worth a note


def run(
    config: ExperimentConfig,
    results: Sequence[FoldResult],
    *,
    pretrained: PretrainedNetwork | None,
    name: str,
    on_start: Callable[[RunInfo], None],
    on_epoch: Callable[[EpochValues], object],
    on_progress: Callable[[str, int, int], None],
    graphs: GraphCache | None = None,
    resuming: Resuming = NOT_RESUMED,
) -> RunResult:
    """Put the predictions of all folds together, and train the final model on all training images.

    It is trained for the median of the folds' best epochs, so nothing of its own selects or stops anything; what the
    folds judged calibrates it. The arguments are those of `experiment.run`, but that no epoch is the last one.

    Raises:
        CnnexpError: see `cnnexp.errors`.

    """
    training.require_zip_date()
    data = data_for(config.data, pretrained)
    inspected = inspect_dataset(data, seed=config.seed, on_progress=partial(on_progress, "reading images"), strict=True)
    splits = trainable_splits(inspected, data)
    refuse_trained_images(pretrained, splits)
    pooled = pool(results, inspected, data, seed=config.seed)
    report = with_labels_of_run(
        check(
            inspected,
            few_images=data.few_images,
            uneven=data.uneven,
            balanced=config.training.balances_classes,
            labels=False,
        ),
        inspected,
        rows=pooled.judged.rows,
        probabilities=pooled.predictions.probabilities,
        folds=True,
    )
    about_network = notes_on(pretrained, inspected, config.data)
    splits = dataclasses.replace(splits, notes=(*splits.notes, *about_network, *summary(report)))
    splits = with_images_to_crop(splits, config, data, on_progress=on_progress)
    settings = resolve(config, splits, pretrained=pretrained)
    splits = resuming.checked(splits, origin_of(config, splits, settings, pretrained))
    prepared = prepare_final(
        config,
        splits,
        settings,
        pretrained,
        results,
        graphs=graphs,
        on_epoch=on_epoch,
        on_progress=on_progress,
        checkpoint=resuming.checkpoint,
    )
    config, settings = prepared.config, prepared.settings
    info = experiment.run_info(config, splits, settings, prepared.model, name, prepared.found, prepared.accumulation)
    on_start(info)
    final = prepared.train()
    network = final.network
    declared = _declared(final.outputs, splits, pooled.temperature, seed=config.seed)
    if pooled.temperature is not None:
        training.fold_temperature(network.model, pooled.temperature)
    history = mean_history(results, steps=_steps(results, final), seconds=_seconds(results, final))
    evaluated = _evaluated(results, pooled, splits, seed=config.seed)
    evidence = _evidence(config, splits, info, history, evaluated, pooled, report)
    model_file = training.to_bytes(network.model)
    code = {**(pretrained.code if pretrained is not None else {}), **code_files(extensions_of(config))}
    card = build_card(
        splits=splits,
        forward=network.forward,
        features_of=final.outputs.features,
        model_file=model_file,
        calibration=_scores(results, pooled, data.final),
        statistics=settings.statistics,
        scaling=settings.scaling,
        temperature=pooled.temperature,
        versions=resources.versions(),
        trained_on=trained_on(pretrained, splits),
    )
    card = with_code(card, code)
    return RunResult(
        info=info,
        settings=dataclasses.asdict(config),
        history=history,
        metrics={**final_metrics(history, evaluated), **_measured(final, declared)},
        evaluation=evaluated.evaluation,
        predictions=evaluated.predictions,
        findings=diagnose(evidence),
        notes=(*info.notes, *_final_notes(final, evaluated), *not_assessed(evidence)),
        model_file=model_file,
        card=card.card.as_dict(),
        data_report=report,
        features_file=card.reference_file,
        example=pooled.judged.images[pooled.judged.rows[: experiment.EXAMPLE_IMAGES]],
        gallery=experiment.gallery(
            config,
            dataclasses.replace(splits, test=pooled.judged),
            settings,
            evaluated,
            is_unlike=_never_unlike,
        ),
        environment=settings.environment,
        code=code,
        folds=FoldsReport(
            scores=fold_scores(results, pooled),
            fold_of_each=pooled.folds,
            epochs=None if final.history is None else len(final.history.epochs),
            split_images=_split_images(evaluated.evaluation, data.test),
            declared=declared,
        ),
    )


def _seconds(results: Sequence[FoldResult], final: FinalModel) -> float:
    """Return the seconds of all trainings."""
    of_folds = sum(result.metrics["seconds/train"] for result in results)
    return of_folds + (0.0 if final.history is None else final.history.seconds)


def _steps(results: Sequence[FoldResult], final: FinalModel) -> int:
    """Return the steps of the final training; where there is none, those of a fold on average."""
    if final.history is not None:
        return final.history.steps
    return round(statistics.fmean(result.metrics["updates"] for result in results))


def _evaluated(results: Sequence[FoldResult], pooled: Pooled, splits: Splits, *, seed: int) -> EvaluatedSplits:
    means = mean_metrics(results)
    evaluation = evaluate(
        probabilities=pooled.predictions.probabilities,
        labels=pooled.predictions.labels,
        class_names=splits.class_names,
        seed=seed,
    )
    return EvaluatedSplits(
        train_accuracy=means["best/train_accuracy"],
        val_accuracy=means["best/val_accuracy"],
        val_loss=means["best/val_loss"],
        temperature=pooled.temperature,
        ece_uncalibrated=pooled.ece_uncalibrated,
        predictions={"test": pooled.predictions},
        decision=None,
        evaluation=evaluation,
        most_probable=evaluation,
        notes=(),
    )


def _evidence(
    config: ExperimentConfig,
    splits: Splits,
    info: RunInfo,
    history: History,
    evaluated: EvaluatedSplits,
    pooled: Pooled,
    report: DataReport,
) -> RunEvidence:
    """Return what the diagnosis is based on; accuracies count as if measured on the images of a single fold."""
    evidence = evidence_of(config, splits, info, history, evaluated, report, None)
    return dataclasses.replace(
        evidence,
        train_images=sum(pooled.class_counts["train"]),
        val_images=sum(pooled.class_counts["validation"]),
        calibration_images=len(pooled.judged),
        class_counts=pooled.class_counts,
    )


def _scores(results: Sequence[FoldResult], pooled: Pooled, final: str) -> OutOfFoldScores:
    """Return what calibrates the final model; nothing tells how far new images are from the mean of all folds."""
    predictions = pooled.predictions
    distances = [result.distances for result in results] if final == "refit" else []
    return OutOfFoldScores(
        label_probabilities=predictions.probabilities[np.arange(len(predictions.labels)), predictions.labels],
        distances=np.concatenate([np.empty(0, np.float32), *distances]),
    )


def _declared(outputs: SplitOutputs, splits: Splits, temperature: float | None, *, seed: int) -> Evaluation | None:
    """Return how the final model, once calibrated, does on a declared test split; None: there is none."""
    if not len(splits.test):
        return None
    return evaluate(
        probabilities=softmax(outputs.logits("test") / np.float32(temperature or 1), axis=1),
        labels=splits.test.labels,
        class_names=splits.class_names,
        seed=seed,
    )


def _measured(final: FinalModel, declared: Evaluation | None) -> dict[str, float]:
    """Return what is measured of the final model itself, under recorded names."""
    found = {}
    if final.history is not None:
        last = final.history.epochs[-1]
        found = {"final/epochs": float(last.epoch), "final/train_accuracy": last.train_accuracy}
    if declared is not None:
        low, high = declared.intervals["accuracy"]
        found |= {f"declared/{name}": value for name, value in declared.metrics.items()}
        found |= {"declared/accuracy_low": low, "declared/accuracy_high": high}
    return found


def _final_notes(final: FinalModel, evaluated: EvaluatedSplits) -> tuple[str, ...]:
    if final.history is None:
        return (
            "The mean of the folds cannot tell images that are unlike the training data: each was trained on some.",
        )
    reached = final.history.epochs[-1].val_accuracy
    if reached >= evaluated.train_accuracy - WORSE:
        return ()
    return (
        f"The final model recognizes {reached:.1%} of the images that it was watched by, the models of the folds "
        f"{evaluated.train_accuracy:.1%} of their training images: its training went worse than theirs. Repeat it with "
        "another seed.",
    )


def _never_unlike(positions: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return that no image is unlike the training data: the final model was trained on all of them."""
    return np.zeros(len(positions), bool)


def _split_images(evaluation: Evaluation, share: float) -> int:
    """Return the size of the test split that the folds' interval is compared with."""
    return max(1, round((share or SINGLE_SPLIT) * int(evaluation.confusion.sum())))
