"""Two runs of the same folds, paired by fold: is the difference there in every part of the data?"""

import numpy as np
from numpy.typing import NDArray

from cnnexp.comparison.metric import Metric
from cnnexp.comparison.paired import resampled_t
from cnnexp.comparison.result import FoldDifference
from cnnexp.records import RecordedPredictions


def folds_compared(reference: RecordedPredictions, other: RecordedPredictions, metric: Metric) -> FoldDifference | None:
    """Return the gain of `other` over the folds; None where one of them has no folds, or they are not the same ones.

    `metric` is of the test split, and one that can be computed for any part of the images.
    """
    if reference.folds is None or other.folds is None:
        return None
    if reference.files != other.files or not np.array_equal(reference.folds, other.folds):
        return None
    scores = [_by_fold(one, reference, metric) for one in (reference, other)]
    gains = metric.sign * (scores[1] - scores[0])
    if not np.isfinite(gains).all():
        return None
    test = resampled_t(gains, ratio=1 / (len(gains) - 1))
    return FoldDifference(gain=test.estimate, p=test.p, better_in=int((gains > 0).sum()))


def _by_fold(predictions: RecordedPredictions, images: RecordedPredictions, metric: Metric) -> NDArray[np.float64]:
    """Return the metric on the images of each fold, (K,)."""
    from cnnexp.evaluation import MetricResampler  # scipy.sparse, which other comparisons do not need

    assert images.folds is not None
    own = np.equal.outer(images.folds, np.unique(images.folds)).astype(np.float64)
    resampler = MetricResampler.of(
        probabilities=predictions.probabilities, labels=images.labels, predicted=predictions.predicted
    )
    return resampler.metrics(own)[metric.short]
