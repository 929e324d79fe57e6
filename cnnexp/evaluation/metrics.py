"""The metrics of one split: those of scikit-learn, each with a bootstrap interval over images."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    precision_recall_fscore_support,
    roc_auc_score,
)

from cnnexp.evaluation.bootstrap import MAXIMUM_UNDEFINED, bootstrap_intervals, losses_by_image
from cnnexp.evaluation.calibration import expected_calibration_error, require_probabilities
from cnnexp.evaluation.operating_point import decision_note, on_split
from cnnexp.portable.decision import Decision, decide
from cnnexp.records import ClassScore, Evaluation, Labels, Probabilities
from cnnexp.system.text import listed

LISTED_NAMES = 10  # classes named in a note


def evaluate(
    *,
    probabilities: Probabilities,
    labels: Labels,
    class_names: Sequence[str],
    seed: int,
    decision: Decision | None = None,
) -> Evaluation:
    """Evaluate the predictions on one split.

    The predicted class is the most probable one, the first among equals; with a `decision` for one of two classes, that
    one from its threshold on. What is about probabilities does not change by it: roc_auc, pr_auc and all below them.

    ``probabilities`` is (N, K) float32 with rows that sum to 1, ``labels`` (N,) in 0..K-1, ``class_names`` K names;
    ``seed`` is that of the bootstrap. The metrics, all in 0..1 except log_loss and brier:

    - accuracy; balanced_accuracy: the mean recall, always equal to macro_recall;
    - macro_precision, macro_recall, macro_f1: means over the classes of the split; weighted_precision,
      weighted_recall, weighted_f1: weighted by number of images. A class that was never predicted counts as precision
      0 (scikit-learn's ``zero_division=0``);
    - roc_auc, pr_auc: one class against the rest, macro; pr_auc is the average precision;
    - log_loss: in nats, probabilities at least 2e-16; brier: the squared distance to the one-hot label, summed
      over classes, mean over images, 0..2 (Brier 1950; two classes give twice the binary score);
    - ece: top-label, 15 bins of equal width (Guo et al. 2017);
    - with a decision: sensitivity, specificity and precision of its class, with Wilson's interval.

    A class without images is left out of every mean, its scores are None, and a note names it; a metric that is
    undefined on this split is absent. The other intervals are 95 %, too, see `bootstrap_intervals`.

    Raises:
        DataError: the split is empty, or labels are out of range.
        ModelError: rows are not probabilities.
        ValueError: shapes do not match.

    """
    require_probabilities(probabilities, labels)
    if len(class_names) != probabilities.shape[1]:
        raise ValueError(
            f"Each column of probabilities needs one class name; got {probabilities.shape[1]} columns "
            f"and {len(class_names)} names. Give the names in the order of the model's outputs."
        )
    areas = _areas_by_class(probabilities, labels)
    predicted = decide(probabilities, class_names, decision)
    metrics = _point_metrics(probabilities, labels, predicted, areas)
    bootstrapped = bootstrap_intervals(probabilities=probabilities, labels=labels, seed=seed, predicted=predicted)
    intervals = {name: bootstrapped[name] for name in metrics if name in bootstrapped}
    decided = {} if decision is None else on_split(predicted, labels, positive=[*class_names].index(decision.positive))
    metrics |= {name: share.value for name, share in decided.items()}
    intervals |= {name: share.interval for name, share in decided.items()}
    confusion = _confusion(labels, predicted, len(class_names))
    about_decision = () if decision is None else (decision_note(decision),)
    return Evaluation(
        metrics=metrics,
        intervals=intervals,
        per_class=_class_scores(confusion, areas, class_names),
        confusion=confusion,
        notes=(*about_decision, *_class_notes(confusion, class_names), *_metric_notes(metrics, intervals)),
    )


def _point_metrics(
    probabilities: Probabilities,
    labels: Labels,
    predicted: NDArray[np.int64],
    areas: Mapping[int, tuple[float, float]],
) -> dict[str, float]:
    metrics = {"accuracy": float(accuracy_score(labels, predicted))}
    metrics |= _averages(labels, predicted, "macro") | _averages(labels, predicted, "weighted")
    metrics["balanced_accuracy"] = metrics["macro_recall"]
    if areas:
        roc, average_precision = np.mean(list(areas.values()), axis=0)
        metrics |= {"roc_auc": float(roc), "pr_auc": float(average_precision)}
    metrics |= {name: float(values.mean()) for name, values in losses_by_image(probabilities, labels).items()}
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
    """Return ROC AUC and average precision of each class against the rest; empty for a split of one class."""
    present = np.unique(labels)
    if len(present) == 1:
        return {}
    truth, scores = labels[:, None] == present, probabilities[:, present]
    areas = zip(
        roc_auc_score(truth, scores, average=None), average_precision_score(truth, scores, average=None), strict=True
    )
    return {int(k): (float(roc), float(precision)) for k, (roc, precision) in zip(present, areas, strict=True)}


def _confusion(labels: Labels, predicted: NDArray[np.int64], classes: int) -> NDArray[np.int64]:
    """Return (K, K), row = true class; that of scikit-learn warns where K is 1."""
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
        notes.append(f"The split has no image of {names}: no scores, and left out of every mean over classes.")
    if never.size:
        names = _named_classes(never, class_names)
        notes.append(f"No image was predicted as {names}: precision is undefined and is 0 in means over classes.")
    return notes


def _named_classes(indices: NDArray[np.int64], class_names: Sequence[str]) -> str:
    names = listed((class_names[index] for index in indices), most=LISTED_NAMES)
    return f"{'class' if len(indices) == 1 else 'classes'} {names}"


def _metric_notes(metrics: Mapping[str, float], intervals: Mapping[str, tuple[float, float]]) -> list[str]:
    notes = []
    if "roc_auc" not in metrics:
        notes.append("All images of the split are of one class: roc_auc and pr_auc are undefined.")
    if without := [name for name in metrics if name not in intervals]:
        notes.append(
            f"Too few images for an interval of {', '.join(without)}: "
            f"undefined in more than {MAXIMUM_UNDEFINED:.0%} of the bootstrap resamples."
        )
    return notes
