"""Labels that out-of-sample predictions contradict, as issues of the data check.

An image is a candidate where confident learning contradicts its label (see `label_errors.mistakenness`), and where none
of the nearest images has the label. The last condition is a second opinion: where classes overlap, the model alone
contradicts every image in between. Hard images are candidates, too, so this is a list to look through and nothing else.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from cnnexp.data_check.checked_dataset import CheckedDataset, Rows
from cnnexp.datasets import InspectedDataset
from cnnexp.label_errors.mistakenness import contradicted
from cnnexp.label_errors.neighbours import NEIGHBOURS, nearest_rows
from cnnexp.label_errors.out_of_sample import LEAST_IMAGES, by_features, by_pixels
from cnnexp.portable.reference import normalized
from cnnexp.records import DataIssue, Images, Labels
from cnnexp.system.text import plural

BY_FOLDS = "labels against the predictions of the folds"  # names of the checks
BY_RUN = "labels of the test images against the predictions of a run"
SIDE = 16  # pixels an image is averaged to
LEAST_LIFT = 0.5  # of the way from chance to perfect accuracy; a model below it is not trusted

Probabilities = NDArray[np.float64]  # (n, K), each row by a model that was not trained on the image
Features = NDArray[np.float32]  # (n, D), of a network, or pixels


def label_issues(dataset: CheckedDataset, images: Images, features: Features | None) -> Iterator[DataIssue]:
    """Report images whose label is contradicted by a model of the others, the clearest first.

    `features` (N, F) are of all images, by a network that has not learned these labels; None: pixels have to do.
    """
    rows = dataset.used()
    rows = rows[dataset.duplicate_of[rows] == rows]  # a duplicate in another fold would give the label away
    counts = np.bincount(dataset.labels[rows])
    rows = rows[counts[dataset.labels[rows]] >= LEAST_IMAGES]
    if len(np.unique(dataset.labels[rows])) < 2:
        return
    classes, labels = np.unique(dataset.labels[rows], return_inverse=True)
    values = averaged(images, rows) if features is None else normalized(features[rows])
    probabilities = (by_pixels if features is None else by_features)(values, labels)
    alone = partial(among_others, values, labels=labels)
    yield from _contradicted(dataset, rows, labels, classes, alone, probabilities)


def contradicted_by(
    inspected: InspectedDataset, *, rows: Rows, probabilities: NDArray[np.floating]
) -> Iterator[DataIssue]:
    """Report images whose label a run's model, or those of its folds, contradict, the clearest first.

    `probabilities` (n, K) are of the images `rows` (n,), each by a model that was not trained on it.
    """
    dataset, labels = CheckedDataset.of(inspected), inspected.decoded.manifest.labels
    among = np.union1d(dataset.used(), rows)  # images that were not judged are neighbours all the same
    features = averaged(inspected.decoded.images, among)

    def alone(places: Rows) -> NDArray[np.bool_]:
        return among_others(features, np.searchsorted(among, rows[places]), labels=labels[among])

    classes = np.arange(len(dataset.class_names))
    yield from _contradicted(dataset, rows, labels[rows], classes, alone, np.asarray(probabilities, np.float64))


def _contradicted(
    dataset: CheckedDataset,
    rows: Rows,
    labels: Labels,
    classes: Rows,
    alone: Callable[[Rows], NDArray[np.bool_]],
    probabilities: Probabilities,
) -> Iterator[DataIssue]:
    """Report the rows (n,) whose label is contradicted; `classes` are what labels and columns stand for.

    `alone` tells for places whether no neighbour has the label, see `among_others`.
    """
    accuracy = float((probabilities.argmax(axis=1) == labels).mean())
    chance = float(np.bincount(labels).max() / len(labels))
    if accuracy < chance + LEAST_LIFT * (1 - chance):
        return
    places, better = contradicted(probabilities, labels)
    kept = alone(places)
    places, better = places[kept], better[kept]
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


def averaged(images: Images, rows: Rows) -> Features:
    """Average blocks of pixels, so that at most SIDE × SIDE remain of each channel."""
    down, across = (-(-side // SIDE) for side in images.shape[1:3])
    kept = images[rows, : images.shape[1] // down * down, : images.shape[2] // across * across]
    count, height, width, channels = kept.shape
    blocks = kept.reshape(count, height // down, down, width // across, across, channels)
    features: Features = blocks.mean(axis=(2, 4), dtype=np.float32).reshape(count, -1)
    return features


def among_others(features: Features, places: Rows, *, labels: Labels) -> NDArray[np.bool_]:
    """Return for each place whether none of its nearest neighbours has its label."""
    if not len(places):
        return np.zeros(0, bool)
    nearest = nearest_rows(features, count=min(NEIGHBOURS, len(labels) - 1), places=places)
    return np.asarray(~(labels[nearest] == labels[places, None]).any(axis=1))
