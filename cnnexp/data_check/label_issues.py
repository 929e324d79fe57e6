"""Labels that out-of-fold predictions contradict: confident learning (Northcutt, Jiang & Chuang 2021, section 3.1).

An image is a candidate where a model that has not seen it finds another class at least as probable as it finds that
class for its own images on average, and the label less probable than chance, and where none of the nearest images has
the label. The last condition is a second opinion: where classes overlap, the model alone contradicts every image in
between. Hard images are candidates, too, so this is a list to look through and nothing else.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.kernel_approximation import Nystroem
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.neighbors import NearestNeighbors
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from cnnexp.data_check.checked_dataset import CheckedDataset, Rows
from cnnexp.datasets import InspectedDataset
from cnnexp.records import DataIssue, Images, Labels
from cnnexp.system.text import plural

BY_FOLDS = "labels against the predictions of the folds"  # name of the check
FOLDS = 5
SIDE = 16  # pixels an image is averaged to
COMPONENTS = 50  # principal components of those pixels
LANDMARKS = 500  # of the radial kernel on them
NEIGHBOURS = 10  # images asked for a second opinion
LEAST_LIFT = 0.5  # of the way from chance to perfect accuracy; a model below it is not trusted

Probabilities = NDArray[np.float64]  # (n, K), out of fold
Features = NDArray[np.float32]  # (n, D), pixels


def label_issues(dataset: CheckedDataset, images: Images) -> Iterator[DataIssue]:
    """Report images whose label is contradicted by a model of the others, the clearest first."""
    rows = dataset.used()
    rows = rows[dataset.duplicate_of[rows] == rows]  # a duplicate in another fold would give the label away
    counts = np.bincount(dataset.labels[rows])
    rows = rows[counts[dataset.labels[rows]] >= 2 * FOLDS]
    if len(np.unique(dataset.labels[rows])) < 2:
        return
    classes, labels = np.unique(dataset.labels[rows], return_inverse=True)
    features = averaged(images, rows)
    yield from _contradicted(dataset, rows, labels, classes, features, out_of_fold(features, labels))


def contradicted_by(
    inspected: InspectedDataset, *, rows: Rows, probabilities: NDArray[np.floating]
) -> Iterator[DataIssue]:
    """Report images whose label the models of a run's folds contradict, the clearest first.

    `probabilities` (n, K) are of the images `rows` (n,), each by a model that was not trained on it.
    """
    dataset, labels = CheckedDataset.of(inspected), inspected.decoded.manifest.labels[rows]
    features = averaged(inspected.decoded.images, rows)
    classes = np.arange(len(dataset.class_names))
    yield from _contradicted(dataset, rows, labels, classes, features, np.asarray(probabilities, np.float64))


def _contradicted(
    dataset: CheckedDataset,
    rows: Rows,
    labels: Labels,
    classes: Rows,
    features: Features,
    probabilities: Probabilities,
) -> Iterator[DataIssue]:
    """Report the rows (n,) whose label is contradicted; `classes` are what labels and columns stand for."""
    accuracy = float((probabilities.argmax(axis=1) == labels).mean())
    chance = float(np.bincount(labels).max() / len(labels))
    if accuracy < chance + LEAST_LIFT * (1 - chance):
        return
    places, better = candidates(probabilities, labels)
    alone = among_others(features, places, labels)
    places, better = places[alone], better[alone]
    if len(places):
        yield DataIssue(
            id="L1",
            title="disputed labels",
            sentence=f"Out-of-fold predictions, of which {accuracy:.1%} are right over all images, contradict the "
            f"labels of {plural(len(places), 'image')}: candidates to look at, not errors.",
            stops=False,
            evidence={"images": len(places), "out-of-fold accuracy": accuracy},
            groups=tuple(
                (dataset.image(rows[place], f"looks like {dataset.class_names[classes[other]]}"),)
                for place, other in zip(places, better, strict=True)
            ),
            repair="look at them and correct what is wrong",
        )


def out_of_fold(features: Features, labels: Labels) -> Probabilities:
    """Predict each image by a discriminant analysis of the other folds, on a radial kernel of the pixels."""
    components = min(COMPONENTS, features.shape[1], len(labels) * (FOLDS - 1) // FOLDS)
    model = make_pipeline(
        PCA(components, whiten=True, random_state=0),
        Nystroem(gamma=0.5 / components, n_components=min(LANDMARKS, len(labels) // 4), random_state=0),
        StandardScaler(),
        LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto"),
    )
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=0)
    return np.asarray(cross_val_predict(model, features, labels, cv=folds, method="predict_proba"))


def averaged(images: Images, rows: Rows) -> Features:
    """Average blocks of pixels, so that at most SIDE × SIDE remain of each channel."""
    down, across = (-(-side // SIDE) for side in images.shape[1:3])
    kept = images[rows, : images.shape[1] // down * down, : images.shape[2] // across * across]
    count, height, width, channels = kept.shape
    blocks = kept.reshape(count, height // down, down, width // across, across, channels)
    features: Features = blocks.mean(axis=(2, 4), dtype=np.float32).reshape(count, -1)
    return features


def candidates(probabilities: Probabilities, labels: Labels) -> tuple[Rows, Labels]:
    """Return places whose label is contradicted, and the class that is more probable; the largest difference first."""
    count, classes = probabilities.shape
    own = probabilities[np.arange(count), labels]
    thresholds = np.array([own[labels == label].mean() for label in range(classes)])
    claims = np.where(probabilities >= thresholds, probabilities, 0)
    claims[np.arange(count), labels] = 0
    better = claims.argmax(axis=1)
    claim = claims[np.arange(count), better]
    places = np.flatnonzero((claim > own) & (own < 1 / classes))
    order = places[np.argsort(own[places] - claim[places], kind="stable")]
    return order, better[order]


def among_others(features: Features, places: Rows, labels: Labels) -> NDArray[np.bool_]:
    """Return for each place whether none of its nearest neighbours has its label."""
    if not len(places):
        return np.zeros(0, bool)
    search = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(labels) - 1) + 1, algorithm="brute").fit(features)
    nearest = search.kneighbors(features[places], return_distance=False)
    same = (labels[nearest] == labels[places, None]) & (nearest != places[:, None])
    return np.asarray(~same.any(axis=1))
