"""The bootstrap of a whole evaluation: every metric of every resample, without a loop over resamples.

A resample of N images is a column of counts: how often each image was drawn. All metrics follow from sums of counts
over groups of images, and all sums of a block of resamples are one product of a sparse (groups, N) matrix with the
(N, resamples) counts. This is exact: each column gives what scikit-learn gives on the repeated images.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, vstack

from cnnexp.evaluation.calibration import BINS, confidence_bins
from cnnexp.records import Labels, Probabilities

RESAMPLES = 1_000  # the ends of a 95 % interval then rest on 25 resamples each
MINIMUM_RESAMPLES = 200
RANKED_ANSWERS = 100_000_000  # limit of resamples * images * classes, about a second, down to the minimum
BLOCK = 1_000_000  # counts in memory at once: they stay in the processor's cache
PERCENTILES = (2.5, 97.5)  # 95 %
MAXIMUM_UNDEFINED = 0.05  # share of resamples; above, percentiles of the others would answer another question

Counts = NDArray[np.float64]  # (N, R) how often image n is in resample r; each column sums to N


def resample_number(*, images: int, classes: int) -> int:
    """Return the number of resamples: 1,000 while R·N·K stays within 1e8, then fewer, never below 200."""
    return int(np.clip(RANKED_ANSWERS // (images * classes), MINIMUM_RESAMPLES, RESAMPLES))


def draw_counts(images: int, resamples: int, rng: np.random.Generator) -> Counts:
    """Draw ``resamples`` times ``images`` images with replacement and count each image."""
    drawn = rng.integers(0, images, size=(images, resamples), dtype=np.int32).astype(np.int64)
    flat = drawn * resamples + np.arange(resamples)
    return np.bincount(flat.ravel(), minlength=images * resamples).reshape(images, resamples).astype(np.float64)


def losses_by_image(probabilities: Probabilities, labels: Labels) -> dict[str, NDArray[np.float64]]:
    """Return the log loss and the Brier score of each image, (N,) each; their means are scikit-learn's scores."""
    exact = probabilities.astype(np.float64)
    exact /= exact.sum(axis=1, keepdims=True)
    chosen = exact[np.arange(len(labels)), labels]
    squares = (exact**2).sum(axis=1) - 2 * chosen + 1  # of the distance to the one-hot label
    return {"log_loss": -np.log(np.maximum(chosen, np.finfo(np.float64).eps)), "brier": squares}


def bootstrap_intervals(
    *, probabilities: Probabilities, labels: Labels, seed: int, predicted: Labels | None = None
) -> dict[str, tuple[float, float]]:
    """Return the 95 % percentile interval of each metric, over resamples of the images.

    ``probabilities`` is (N, K), ``labels`` (N,), ``predicted`` (N,) the answers; None: the most probable classes. A
    class without images in a resample is left out of the averages of that resample. A metric that is undefined in more
    than 5 % of the resamples has no interval. Repeated images raise the ECE of every resample, often above the observed
    value, so the resamples of the ECE are first shifted to have the observed value as their median. Source: Efron &
    Tibshirani, "An Introduction to the Bootstrap", 1993, section 13.3.
    """
    images, classes = probabilities.shape
    resampler = MetricResampler.of(probabilities=probabilities, labels=labels, predicted=predicted)
    rng = np.random.default_rng(seed)
    total, block = resample_number(images=images, classes=classes), max(1, BLOCK // images)
    blocks = [resampler.metrics(draw_counts(images, min(block, total - done), rng)) for done in range(0, total, block)]
    drawn = {name: np.concatenate([values[name] for values in blocks]) for name in blocks[0]}
    observed = resampler.metrics(np.ones((images, 1)))["ece"]
    drawn["ece"] = np.maximum(drawn["ece"] - np.median(drawn["ece"]) + observed, 0)
    return {name: interval for name, values in drawn.items() if (interval := _percentile_interval(values))}


def _percentile_interval(values: NDArray[np.float64]) -> tuple[float, float] | None:
    defined = values[~np.isnan(values)]
    if len(defined) < (1 - MAXIMUM_UNDEFINED) * len(values):
        return None
    low, high = np.percentile(defined, PERCENTILES)
    return float(low), float(high)


@dataclass(frozen=True, slots=True)
class MetricResampler:
    """What all resamples share: which images each sum runs over, and the order of the scores."""

    classes: int
    sums: (
        csr_matrix  # csr (3 K + BINS + losses, N): true, predicted, correct by class; excess confidence by bin; losses
    )
    losses: tuple[str, ...]
    rankings: tuple[csr_matrix, ...]  # one for each class, csr (2 G, N): positives, then negatives, by falling score

    @classmethod
    def of(cls, *, probabilities: Probabilities, labels: Labels, predicted: Labels | None = None) -> "MetricResampler":
        """Prepare to resample ``probabilities`` (N, K) with ``labels`` (N,).

        ``predicted`` (N,) are the answers; None: the most probable classes, whose confidence the ECE is about anyway.
        """
        classes = probabilities.shape[1]
        losses = losses_by_image(probabilities, labels)
        most_probable, confidences = probabilities.argmax(axis=1), probabilities.max(axis=1)
        answers = most_probable if predicted is None else predicted
        correct = answers == labels
        sums = [
            _group_sums(labels, np.ones(len(labels)), classes),
            _group_sums(answers, np.ones(len(labels)), classes),
            _group_sums(labels, correct.astype(np.float64), classes),
            _group_sums(confidence_bins(confidences), (most_probable == labels) - confidences.astype(np.float64), BINS),
            csr_matrix(np.stack(list(losses.values()))),
        ]
        rankings = [_ranking(probabilities[:, k], labels == k) for k in range(classes)]
        return cls(classes=classes, sums=vstack(sums).tocsr(), losses=tuple(losses), rankings=tuple(rankings))

    def metrics(self, counts: Counts) -> dict[str, NDArray[np.float64]]:
        """Return every metric of every resample, (R,) each; NaN where a resample leaves it undefined."""
        k = self.classes
        support, predicted, correct, excess, losses = np.split(self.sums @ counts, (k, 2 * k, 3 * k, 3 * k + BINS))
        images = counts.sum(axis=0)
        metrics = _label_metrics(support, predicted, correct)
        metrics["ece"] = np.abs(excess).sum(axis=0) / images
        metrics |= {name: values / images for name, values in zip(self.losses, losses, strict=True)}
        areas = np.stack([_areas(ranking @ counts) for ranking in self.rankings])  # (K, 2, R)
        metrics["roc_auc"], metrics["pr_auc"] = _mean_of_defined(areas)
        return metrics


def _group_sums(groups: NDArray[np.int64], values: NDArray[np.float64], number: int) -> csr_matrix:
    """Return csr (number, N) that sums ``values`` (N,) times counts over the images of each group."""
    return csr_matrix((values, (groups, np.arange(len(groups)))), shape=(number, len(groups)))


def _ranking(scores: NDArray[np.float32], positive: NDArray[np.bool_]) -> csr_matrix:
    """Return csr (2 G, N) that sums positives and negatives over G groups of falling score.

    Equal scores share a group. Neighbouring groups without a positive are merged, because the curves are
    straight there; this leaves about two groups for each positive instead of one for each image.
    """
    order = np.argsort(-scores, kind="stable")
    tie = np.cumsum(np.diff(scores[order], prepend=np.inf) != 0) - 1
    empty = np.bincount(tie, weights=positive[order]) == 0
    starts = ~(empty & np.concatenate([[False], empty[:-1]]))
    group = np.empty(len(scores), dtype=np.int64)
    group[order] = (np.cumsum(starts) - 1)[tie]
    number = int(starts.sum())
    return _group_sums(np.where(positive, group, group + number), np.ones(len(scores)), 2 * number)


def _areas(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (2, R): area under the ROC curve, average precision, of one class; NaN where undefined.

    A negative loses to all positives above it and to half of those it ties with (Mann & Whitney 1947). Average
    precision is the sum of precision times the step of recall, as scikit-learn defines it.
    """
    positives, negatives = np.split(sums, 2)
    above, below = np.cumsum(positives, axis=0), np.cumsum(negatives, axis=0)
    wins = np.einsum("gr,gr->r", negatives, above - positives / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        precision = above / np.maximum(above + below, 1)
        roc = wins / (above[-1] * below[-1])
        average_precision = np.einsum("gr,gr->r", positives, precision) / above[-1]
    return np.stack([roc, np.where(below[-1] > 0, average_precision, np.nan)])


def _label_metrics(
    support: NDArray[np.float64], predicted: NDArray[np.float64], correct: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    """Return the metrics of predicted labels; (K, R) counts in, (R,) each out."""
    present = support > 0
    by_class = {
        "precision": correct / np.maximum(predicted, 1),  # 0 for a class that was never predicted, as zero_division=0
        "recall": correct / np.maximum(support, 1),
        "f1": 2 * correct / np.maximum(support + predicted, 1),
    }
    metrics = {"accuracy": correct.sum(axis=0) / support.sum(axis=0)}
    for name, values in by_class.items():
        metrics[f"macro_{name}"] = (values * present).sum(axis=0) / present.sum(axis=0)
        metrics[f"weighted_{name}"] = (values * support).sum(axis=0) / support.sum(axis=0)
    metrics["balanced_accuracy"] = metrics["macro_recall"]
    return metrics


def _mean_of_defined(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the mean over the first axis without NaN; NaN where all are NaN."""
    defined = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        mean: NDArray[np.float64] = np.where(defined, values, 0).sum(axis=0) / defined.sum(axis=0)
    return mean
