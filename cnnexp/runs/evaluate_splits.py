"""After the last step: what the trained model does on every split."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np
from scipy.special import softmax

from cnnexp.config import DecisionConfig
from cnnexp.datasets import Split, Splits
from cnnexp.datasets.image_digests import image_digests
from cnnexp.datasets.measured_images import measured
from cnnexp.diagnosis import Answers
from cnnexp.evaluation import MINIMUM_IMAGES, evaluate, expected_calibration_error, fit_temperature
from cnnexp.evaluation.operating_point import decision_metrics
from cnnexp.portable.decision import Decision, decide
from cnnexp.records import SPLIT_NAMES, Evaluation, History, Probabilities, SplitPredictions
from cnnexp.runs.clusters import with_clusters
from cnnexp.runs.decision import choose_decision
from cnnexp.runs.split_outputs import Logits, SplitOutputs
from cnnexp.training import loss_and_accuracy

PREDICTED_SPLITS = ("validation", "calibration", "test")
MOST_ANSWERS = 20_000  # of a split, that a diagnosis looks at


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluatedSplits:
    """What a trained model does on each split, in inference mode."""

    train_accuracy: float
    val_accuracy: float
    val_loss: float  # without the temperature, which never takes part in selection
    temperature: float | None  # fitted on the calibration split; None: it is too small
    ece_uncalibrated: float  # of the test split, without the temperature
    predictions: Mapping[str, SplitPredictions]  # with the temperature
    decision: Decision | None  # chosen on the calibration split; None: the most probable class is answered
    evaluation: Evaluation  # of the test split, with the temperature and the decision
    most_probable: Evaluation  # the same without the decision: what the network itself can do
    notes: tuple[str, ...]
    answers: Mapping[str, Answers] = field(default_factory=dict)  # of train, validation and test, for the diagnosis


def evaluate_splits(outputs: SplitOutputs, splits: Splits, *, seed: int, decision: DecisionConfig) -> EvaluatedSplits:
    """Predict every split once, fit the temperature, choose the threshold that `decision` asks for, and evaluate.

    The network stays as it is; evaluated is the test split; `seed` is that of the bootstrap.
    """
    logits = {name: outputs.logits(name) for name in SPLIT_NAMES}
    val_loss, val_accuracy = loss_and_accuracy(logits["validation"], splits.validation.labels)
    _, train_accuracy = loss_and_accuracy(logits["train"], splits.train.labels)
    probabilities = {name: softmax(logits[name], axis=1) for name in PREDICTED_SPLITS}
    uncalibrated = expected_calibration_error(probabilities=probabilities["test"], labels=splits.test.labels)

    temperature = None
    if len(splits.calibration) >= MINIMUM_IMAGES:
        temperature = fit_temperature(probabilities=probabilities["calibration"], labels=splits.calibration.labels)
        probabilities = {name: softmax(logits[name] / np.float32(temperature), axis=1) for name in PREDICTED_SPLITS}
    chosen, notes = choose_decision(
        decision, probabilities["calibration"], splits.calibration.labels, splits.class_names
    )
    evaluate_test = partial(
        evaluate,
        probabilities=probabilities["test"],
        labels=splits.test.labels,
        class_names=splits.class_names,
        seed=seed,
    )
    most_probable = evaluate_test()
    return EvaluatedSplits(
        train_accuracy=train_accuracy,
        val_accuracy=val_accuracy,
        val_loss=val_loss,
        temperature=temperature,
        ece_uncalibrated=uncalibrated,
        predictions={
            name: _predictions(splits[name], probabilities[name], splits.class_names, chosen)
            for name in ("validation", "calibration")
        }
        | {
            "test": with_clusters(
                _predictions(splits.test, probabilities["test"], splits.class_names, chosen), outputs, "test"
            )
        },
        decision=chosen,
        evaluation=most_probable if chosen is None else evaluate_test(decision=chosen),
        most_probable=most_probable,
        notes=(*_calibration_notes(temperature, len(splits.calibration)), *notes),
        answers={name: _answers(splits[name], logits[name], temperature) for name in ("train", "validation", "test")},
    )


def _answers(split: Split, logits: Logits, temperature: float | None) -> Answers:
    """Return the answers to all images of a split, or to so many of them that no more changes a verdict."""
    step = step_of(split)
    return Answers(split.labels[::step], softmax(logits[::step] / np.float32(temperature or 1), axis=1))


def step_of(split: Split) -> int:
    """Return the distance of the images of a split whose answers are kept for the diagnosis."""
    return -(-len(split) // MOST_ANSWERS) or 1


def _predictions(
    split: Split, probabilities: Probabilities, class_names: Sequence[str], decision: Decision | None
) -> SplitPredictions:
    digests = image_digests(split.images, split.rows.tolist())
    decided = decide(probabilities, class_names, decision)
    return SplitPredictions(split.files, digests, split.labels, probabilities, decided, measured(split))


def final_metrics(history: History, evaluated: EvaluatedSplits) -> dict[str, float]:
    """Return every final number under its recorded name."""
    low, high = evaluated.evaluation.intervals["accuracy"]
    return {
        **{f"test/{name}": value for name, value in evaluated.evaluation.metrics.items()},
        "test/accuracy_low": low,
        "test/accuracy_high": high,
        **decision_metrics(evaluated.decision, evaluated.evaluation.intervals),
        "test/ece_uncalibrated": evaluated.ece_uncalibrated,
        "best/epoch": float(history.best_epoch),
        "best/val_loss": evaluated.val_loss,
        "best/val_accuracy": evaluated.val_accuracy,
        "best/train_accuracy": evaluated.train_accuracy,
        "gap/accuracy": evaluated.train_accuracy - evaluated.val_accuracy,
        "temperature": 1.0 if evaluated.temperature is None else evaluated.temperature,
        "updates": float(history.steps),
        "seconds/train": history.seconds,
        **({"best/soup_epochs": float(len(history.soup))} if history.soup else {}),
    }


def soup_notes(history: History, evaluated: EvaluatedSplits) -> tuple[str, ...]:
    """Return what `training.soup` came to; nothing where no mean was tried."""
    best = history.epochs[history.best_epoch - 1]
    if not history.soup:
        return ()
    if len(history.soup) == 1:
        return (
            f"The weights are those of epoch {best.epoch} alone: by the validation images, no mean of the weights of "
            "several epochs is as good.",
        )
    return (
        f"The weights are the mean of those of epochs {', '.join(map(str, sorted(history.soup)))}: validation loss "
        f"{evaluated.val_loss:.4g} and accuracy {evaluated.val_accuracy:.3f}, against {best.val_loss:.4g} and "
        f"{best.val_accuracy:.3f} of epoch {best.epoch} alone.",
    )


def _calibration_notes(temperature: float | None, images: int) -> tuple[str, ...]:
    if temperature is not None:
        return ()
    return (
        f"Probabilities are not calibrated: calibration needs at least {MINIMUM_IMAGES} calibration images, and the "
        f"split has {images}; raise data.calibration.",
    )
