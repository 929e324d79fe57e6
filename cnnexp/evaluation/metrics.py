"""The numbers on one split: scikit-learn's metrics, each with the interval of a bootstrap over images."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    precision_recall_fscore_support,
    roc_auc_score,
)

from cnnexp.evaluation.bootstrap import MAXIMUM_UNDEFINED, bootstrap_intervals
from cnnexp.evaluation.calibration import expected_calibration_error, require_probabilities
from cnnexp.records import ClassScore, Evaluation, Labels, Probabilities
from cnnexp.system.text import listed

LISTED_NAMES = 10  # a note that names more classes than this is not read


def evaluate(*, probabilities: Probabilities, labels: Labels, class_names: Sequence[str], seed: int) -> Evaluation:
    """Judge the predictions on one split; the predicted class is the most probable one, the first among equals.

    ``probabilities`` is (N, K) float32 with rows that sum to 1, ``labels`` (N,) in 0..K-1, ``class_names`` K names;
    ``seed`` is that of the bootstrap. The metrics, all 0..1 but log_loss and brier:

    - accuracy; balanced_accuracy: the mean recall, so always equal to macro_recall;
    - macro_precision, macro_recall, macro_f1: means over the classes the split holds; weighted_precision,
      weighted_recall, weighted_f1: the same by number of images. A class that was never predicted counts as precision
      0 (scikit-learn's ``zero_division=0``);
    - roc_auc, pr_auc: one class against the rest, macro; pr_auc is the average precision;
    - log_loss: in nats, probabilities kept 2e-16 away from 0; brier: the squared distance to the one-hot label, summed
      over classes, mean over images, 0..2 (Brier 1950; two classes give twice the binary score);
    - ece: top-label, 15 bins of equal width (Guo et al. 2017).

    A class without images is left out of every mean, its scores are None, and a note says so; a metric that is
    undefined on this split is absent. The intervals are 95 %, see `resampling.bootstrap_intervals`. Raises DataError
    for an empty split or labels out of range, ModelError for values that are no probabilities, ValueError for shapes
    that do not match.
    """
    require_probabilities(probabilities, labels)
    if len(class_names) != probabilities.shape[1]:
        raise ValueError(
            f"Each column of probabilities needs one class name; got {probabilities.shape[1]} columns "
            f"and {len(class_names)} names. Give the names in the order of the model's outputs."
        )
    areas = _areas_by_class(probabilities, labels)
    losses = _losses_by_image(probabilities, labels)
    metrics = _point_metrics(probabilities, labels, areas, losses)
    drawn = bootstrap_intervals(probabilities=probabilities, labels=labels, losses=losses, seed=seed)
    intervals = {name: drawn[name] for name in metrics if name in drawn}
    confusion = _confusion(labels, probabilities.argmax(axis=1), len(class_names))
    return Evaluation(
        metrics=metrics,
        intervals=intervals,
        per_class=_class_scores(confusion, areas, class_names),
        confusion=confusion,
        notes=(*_class_notes(confusion, class_names), *_metric_notes(metrics, intervals)),
    )


def _point_metrics(
    probabilities: Probabilities,
    labels: Labels,
    areas: Mapping[int, tuple[float, float]],
    losses: Mapping[str, NDArray[np.float64]],
) -> dict[str, float]:
    predicted = probabilities.argmax(axis=1)
    metrics = {"accuracy": float(accuracy_score(labels, predicted))}
    metrics |= _averages(labels, predicted, "macro") | _averages(labels, predicted, "weighted")
    metrics["balanced_accuracy"] = metrics["macro_recall"]
    if areas:
        roc, average_precision = np.mean(list(areas.values()), axis=0)
        metrics |= {"roc_auc": float(roc), "pr_auc": float(average_precision)}
    metrics |= {name: float(values.mean()) for name, values in losses.items()}
    metrics["ece"] = expected_calibration_error(probabilities=probabilities, labels=labels)
    return metrics


def _averages(labels: Labels, predicted: NDArray[np.int64], average: str) -> dict[str, float]:
    scores = precision_recall_fscore_support(
        labels, predicted, labels=np.unique(labels), average=average, zero_division=0
    )
    return {
        f"{average}_{name}": float(score) for name, score in zip(("precision", "recall", "f1"), scores, strict=False)
    }


def _areas_by_class(probabilities: Probabilities, labels: Labels) -> dict[int, tuple[float, float]]:
    """Return ROC AUC and average precision of each class against the rest, where the split holds both."""
    present = np.unique(labels)
    if len(present) == 1:
        return {}
    truth, scores = labels[:, None] == present, probabilities[:, present]
    areas = zip(
        roc_auc_score(truth, scores, average=None), average_precision_score(truth, scores, average=None), strict=True
    )
    return {int(k): (float(roc), float(precision)) for k, (roc, precision) in zip(present, areas, strict=True)}


def _losses_by_image(probabilities: Probabilities, labels: Labels) -> dict[str, NDArray[np.float64]]:
    """Return what each image adds to log loss and Brier score, (N,) each; their means are scikit-learn's scores."""
    exact = probabilities.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    chosen = exact[np.arange(len(labels)), labels]
    squares = (exact**2).sum(axis=1) - 2 * chosen + 1  # of the distance to the one-hot label
    return {"log_loss": -np.log(np.maximum(chosen, np.finfo(np.float64).eps)), "brier": squares}


def _confusion(labels: Labels, predicted: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Return (K, K), row = true class; scikit-learn's own warns where K is 1."""
    return np.bincount(labels * classes + predicted, minlength=classes**2).reshape(classes, classes)


def _class_scores(
    confusion: NDArray[np.int64], areas: Mapping[int, tuple[float, float]], class_names: Sequence[str]
) -> tuple[ClassScore, ...]:
    support, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    return tuple(
        ClassScore(
            name=name,
            support=int(support[k]),
            precision=_ratio(confusion[k, k], predicted[k]) if support[k] else None,
            recall=_ratio(confusion[k, k], support[k]),
            f1=_ratio(2 * confusion[k, k], support[k] + predicted[k]) if support[k] else None,
            roc_auc=areas[k][0] if k in areas else None,
        )
        for k, name in enumerate(class_names)
    )


def _ratio(part: np.int64, whole: np.int64) -> float | None:
    return float(part / whole) if whole else None


def _class_notes(confusion: NDArray[np.int64], class_names: Sequence[str]) -> list[str]:
    support, predicted = confusion.sum(axis=1), confusion.sum(axis=0)
    missing, never = np.flatnonzero(support == 0), np.flatnonzero((support > 0) & (predicted == 0))
    notes = []
    if missing.size:
        names = _named_classes(missing, class_names)
        notes.append(f"No image here is of {names}: no scores, and left out of every mean over classes.")
    if never.size:
        names = _named_classes(never, class_names)
        notes.append(f"Nothing was predicted as {names}: precision is undefined and counts as 0 in means over classes.")
    return notes


def _named_classes(indices: NDArray[np.int64], class_names: Sequence[str]) -> str:
    names = listed((class_names[index] for index in indices), most=LISTED_NAMES)
    return f"{'class' if len(indices) == 1 else 'classes'} {names}"


def _metric_notes(metrics: Mapping[str, float], intervals: Mapping[str, tuple[float, float]]) -> list[str]:
    notes = []
    if "roc_auc" not in metrics:
        notes.append("All images here are of one class: roc_auc and pr_auc, which set two apart, are undefined.")
    if without := [name for name in metrics if name not in intervals]:
        notes.append(
            f"Too few images for an interval of {', '.join(without)}: "
            f"undefined in more than {MAXIMUM_UNDEFINED:.0%} of the bootstrap resamples."
        )
    return notes
