"""What the labels of a data set are worth: noise of every kind, with bounds, for the detectors of the diagnosis.

Three kinds of noise leave three traces. Labels that were permuted agree with those of similar images no more often than
chance (`neighbours`). One class that was partly named as another is contradicted in one direction, while classes that
look alike are taken for each other in both. Labels that are wrong anywhere are contradicted even on the clearest
images, where classes that overlap are not.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import beta, binomtest

from cnnexp.label_errors.mistakenness import ConfidentJoint, Probabilities, confident_joint
from cnnexp.label_errors.neighbours import NEIGHBOURS, NeighbourAgreement, neighbour_agreement
from cnnexp.label_errors.out_of_sample import LEAST_IMAGES, by_features
from cnnexp.records import Labels

_CLEAREST = 0.2  # of the images of each predicted class, the most confident predictions
_ERROR = 0.05  # of the two-sided bounds


@dataclass(frozen=True, kw_only=True, slots=True)
class ClearestImages:
    """Labels of the images that models were surest about."""

    images: int
    counts: NDArray[np.int64]  # (K, K) row = given label, column = predicted class
    low: float  # bounds of the share of contradicted labels, exact (Clopper & Pearson 1934), 95 % two-sided
    high: float

    @property
    def share(self) -> float:
        """Return the share of contradicted labels: the noise, and what the model is wrong about itself."""
        return 1 - float(np.trace(self.counts)) / max(1, self.images)


@dataclass(frozen=True, kw_only=True, slots=True)
class OneWay:
    """Images that look like one class and have the label of another, more often than the other way round."""

    looks_like: int
    labelled: int
    images: int  # clear cases
    opposite: int  # clear cases with both exchanged
    share: float  # of the images that look like the class, 0..1
    p_value: float  # exact, that as many are one-way by chance, multiplied by the number of pairs


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelNoise:
    """What was found out about the labels; classes with fewer than `LEAST_IMAGES` images take no part."""

    images: int
    accuracy: float  # of the out-of-sample predictions, against the given labels
    most_frequent: float  # share of the largest class: what a model without features reaches
    joint: ConfidentJoint  # zero in rows and columns of classes that take no part
    clearest: ClearestImages
    one_way: tuple[OneWay, ...]  # pairs of classes with a clear case, the smallest p-value first
    neighbours: NeighbourAgreement


def assess_labels(features: NDArray[np.floating], labels: Labels, *, classes: int) -> LabelNoise | None:
    """Assess labels (n,) by features (n, F) that were not learned from them; None: there are too few images.

    `classes` is the number of classes, of which some may have no image.
    """
    kept = np.flatnonzero(np.bincount(labels, minlength=classes)[labels] >= LEAST_IMAGES)
    present, own = np.unique(labels[kept], return_inverse=True)
    if len(present) < 2 or len(kept) <= NEIGHBOURS:
        return None
    values = np.asarray(features)[kept]
    among_present = by_features(values, own)
    probabilities = np.zeros((len(kept), classes))
    probabilities[:, present] = among_present
    return assess(probabilities, labels[kept], neighbours=neighbour_agreement(values, labels[kept]))


def assess(probabilities: Probabilities, labels: Labels, *, neighbours: NeighbourAgreement) -> LabelNoise:
    """Assess labels (n,) by probabilities (n, K) of models that were not trained on the images."""
    joint = confident_joint(probabilities, labels)
    return LabelNoise(
        images=len(labels),
        accuracy=float((probabilities.argmax(axis=1) == labels).mean()),
        most_frequent=float(np.bincount(labels).max() / len(labels)),
        joint=joint,
        clearest=clearest_images(probabilities, labels),
        one_way=one_way(joint.counts),
        neighbours=neighbours,
    )


def clearest_images(probabilities: Probabilities, labels: Labels) -> ClearestImages:
    """Return how the labels of the most confident predictions of each class go together with these."""
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    groups = (np.flatnonzero(predicted == label) for label in range(probabilities.shape[1]))
    chosen = np.concatenate([_largest(confidence, group) for group in groups])
    counts = np.zeros((probabilities.shape[1],) * 2, np.int64)
    np.add.at(counts, (labels[chosen], predicted[chosen]), 1)
    wrong, images = int(len(chosen) - np.trace(counts)), len(chosen)
    low = float(beta.ppf(_ERROR / 2, wrong, images - wrong + 1)) if wrong else 0.0
    high = float(beta.ppf(1 - _ERROR / 2, wrong + 1, images - wrong)) if wrong < images else 1.0
    return ClearestImages(images=images, counts=counts, low=low, high=high)


def one_way(counts: NDArray[np.int64]) -> tuple[OneWay, ...]:
    """Return the pairs of classes with a contradicted label by a confident joint (K, K), row = given label.

    The p-value is of the sign test: classes that only look alike are taken for each other about equally often.
    """
    pairs = len(counts) * (len(counts) - 1)
    looks_like = counts.sum(axis=0)
    found = [
        OneWay(
            looks_like=int(seen),
            labelled=int(given),
            images=int(counts[given, seen]),
            opposite=int(counts[seen, given]),
            share=float(counts[given, seen] / looks_like[seen]),
            p_value=min(1.0, pairs * _sign_test(int(counts[given, seen]), int(counts[seen, given]))),
        )
        for given, seen in np.argwhere(counts)
        if given != seen
    ]
    return tuple(sorted(found, key=lambda pair: (pair.p_value, -pair.images)))


def _sign_test(more: int, fewer: int) -> float:
    return float(binomtest(more, more + fewer, 0.5, alternative="greater").pvalue)


def _largest(values: NDArray[np.floating], places: NDArray[np.int64]) -> NDArray[np.int64]:
    order = np.argsort(-values[places], kind="stable")
    return places[order[: int(np.ceil(_CLEAREST * len(places)))]]
