"""The difference of a metric between models on the same images, by resampling the images."""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cnnexp.comparison.paired import CONFIDENCE, Estimate, PairedTest
from cnnexp.evaluation import BLOCK, Counts, MetricResampler, draw_counts
from cnnexp.records import Labels, Probabilities

RESAMPLES = 2_000  # the smallest p-value is then 0.001, which survives Holm's correction over 50 comparisons


def paired_bootstrap(
    *,
    metric: str,
    labels: Labels,
    reference: Probabilities,
    others: Sequence[Probabilities],
    predicted: Sequence[Labels],
    seed: int,
) -> tuple[PairedTest, ...]:
    """Difference of ``metric``, each of ``others`` minus ``reference``, with percentile interval and p-value.

    ``labels`` (N,), ``reference`` and each of ``others`` (N, K) for the same images in one order, ``predicted`` the
    answers (N,) of the reference and of each other; ``metric`` is a name of `evaluation.evaluate`, such as macro_f1. A
    resample that leaves the metric undefined is left out. The p-value is twice the share of resamples on the far side
    of zero, the observed sample counted in, so that it is never 0 (Davison & Hinkley 1997, section 4.2). Raises
    KeyError for an unknown metric.
    """
    resamplers = [
        MetricResampler.of(probabilities=each, labels=labels, predicted=answers)
        for each, answers in zip((reference, *others), predicted, strict=True)
    ]
    observed = _scores(resamplers, np.ones((len(labels), 1)), metric)[:, 0]
    resampled = np.hstack([_scores(resamplers, counts, metric) for counts in _resamples(len(labels), seed)])
    return tuple(
        _test(observed[i] - observed[0], resampled[i] - resampled[0], images=len(labels))
        for i in range(1, len(resamplers))
    )


def _scores(resamplers: Sequence[MetricResampler], counts: Counts, metric: str) -> NDArray[np.float64]:
    """(models, R) for counts (N, R)."""
    return np.stack([resampler.metrics(counts)[metric] for resampler in resamplers])


def _resamples(images: int, seed: int) -> Iterator[Counts]:
    rng = np.random.default_rng(seed)
    block = max(1, BLOCK // images)
    for start in range(0, RESAMPLES, block):
        yield draw_counts(images, min(block, RESAMPLES - start), rng)


def _test(observed: float, resampled: NDArray[np.float64], *, images: int) -> PairedTest:
    defined = resampled[~np.isnan(resampled)]
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(defined, [tail, 100 - tail])
    beyond = min(int((defined <= 0).sum()), int((defined >= 0).sum()))
    p = min(1.0, 2 * (1 + beyond) / (len(defined) + 1))
    return PairedTest(Estimate(float(observed), float(low), float(high), images), p)
