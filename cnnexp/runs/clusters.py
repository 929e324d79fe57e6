"""Groups of test images that the network sees alike: where a model is weak, its mistakes lie together."""

import dataclasses

import numpy as np

from cnnexp.records import SplitPredictions
from cnnexp.runs.split_outputs import SplitOutputs
from cnnexp.saved.build_reference import rows_together

_CLUSTERS = 8
_LEAST = 40  # images in a cluster, on average
_MOST = 2_000  # images: clusters are cheap, and a second pass through the network is not
NONE = -1


def with_clusters(predictions: SplitPredictions, outputs: SplitOutputs, split: str) -> SplitPredictions:
    """Return the predictions of a split with the property `cluster` of its images, from 0; -1 for those not looked at.

    K-means on the features of the last layer but one; without it where the split is small or the network collapsed.
    """
    count = len(predictions.labels)
    clusters = min(_CLUSTERS, count // _LEAST)
    if clusters < 2:
        return predictions
    from sklearn.cluster import KMeans

    most = rows_together(outputs.features(split, np.zeros(1, np.int64)).shape[1], most=_MOST)
    clusters = min(clusters, most // _LEAST)
    if clusters < 2:
        return predictions
    positions = np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))
    features = outputs.features(split, positions)
    if len(np.unique(features, axis=0)) < clusters:  # a collapsed network sees all images alike
        return predictions
    found = np.full(count, NONE, np.int32)
    found[positions] = KMeans(clusters, n_init=1, random_state=0).fit_predict(features.astype(np.float64))
    return dataclasses.replace(predictions, properties={**predictions.properties, "cluster": found})
