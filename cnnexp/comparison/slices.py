"""Where is a model weak, and where do two differ? Parts of the test images by what they look like or belong to.

Numbers are cut at their quarters: the darkest quarter of the images against all others. Classes, groups and clusters of
features are parts as they are. Holm's correction runs over all parts that were looked at.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.comparison.paired import Estimate, accuracy_difference, fisher_exact, holm, mcnemar_mid_p
from cnnexp.comparison.unpaired import difference_of_shares
from cnnexp.records import RecordedPredictions

LEVEL = 0.04  # as of all comparisons
LEAST_IMAGES = 10  # in a part, and outside of it
_MOST_PARTS = 40  # of one property
_QUARTERS = {
    "brightness": ("dark images", "bright images"),
    "contrast": ("low contrast", "high contrast"),
    "sharpness": ("blurred images", "sharp images"),
    "size": ("small images", "large images"),
}

Part = NDArray[np.bool_]  # (N,) the images in it


@dataclass(frozen=True, slots=True)
class Slice:
    """The accuracy of one model on a part of its test images, against all others."""

    by: str  # brightness, contrast, sharpness, size, class, group or cluster
    label: str  # such as "dark images"
    correct: int
    images: int
    other_correct: int
    other_images: int
    difference: Estimate  # accuracy in it minus outside of it, Newcombe's 95 % interval
    p: float  # Fisher's exact test
    p_adjusted: float  # after Holm, over all parts that were looked at
    positions: tuple[int, ...]  # of its images among the recorded ones

    @property
    def accuracy(self) -> float:
        """In the part."""
        return self.correct / self.images

    @property
    def other_accuracy(self) -> float:
        """Outside of it."""
        return self.other_correct / self.other_images

    @property
    def is_claimed(self) -> bool:
        """Whether the difference is more than chance."""
        return self.p_adjusted <= LEVEL


@dataclass(frozen=True, slots=True)
class SliceDifference:
    """The accuracy of one model minus that of another on a part of the same images."""

    by: str
    label: str
    images: int
    accuracy: float
    reference_accuracy: float
    gain: Estimate  # Bonett and Price's 95 % interval
    p: float  # McNemar's mid-p test within the part
    p_adjusted: float

    @property
    def is_claimed(self) -> bool:
        """Whether the difference is more than chance."""
        return self.p_adjusted <= LEVEL


def slices(recorded: RecordedPredictions) -> tuple[Slice, ...]:
    """Return every part of the test images with the accuracy in it and outside, the lowest p first."""
    right = recorded.predicted == recorded.labels
    found = []
    for name, label, part in parts(recorded):
        hits, size = int(right[part].sum()), int(part.sum())
        other_hits, other_size = int(right.sum()) - hits, len(right) - size
        p = fisher_exact(hits, size, other_hits, other_size)
        difference = difference_of_shares(hits, size, other_hits, other_size)
        found.append((name, label, hits, size, other_hits, other_size, difference, p, np.flatnonzero(part)))
    adjusted = holm([one[7] for one in found])
    made = [
        Slice(*one[:8], p_adjusted=float(p), positions=tuple(one[8].tolist()))
        for one, p in zip(found, adjusted, strict=True)
    ]
    return tuple(sorted(made, key=lambda one: one.p))


def slice_differences(reference: RecordedPredictions, other: RecordedPredictions) -> tuple[SliceDifference, ...]:
    """Return for every part how much better the `other` model is in it, the lowest p first.

    Both hold the same images in the same order (`same_images.aligned`); the parts are those of the reference.
    """
    labels = reference.labels
    first, second = (each.predicted == labels for each in (reference, other))
    found = []
    for name, label, part in parts(reference):
        b, c = int((second & ~first & part).sum()), int((first & ~second & part).sum())
        size = int(part.sum())
        scores = (float(second[part].mean()), float(first[part].mean()))
        found.append((name, label, size, *scores, accuracy_difference(b, c, size), mcnemar_mid_p(b, c)))
    adjusted = holm([one[6] for one in found])
    made = [SliceDifference(*one, p_adjusted=float(p)) for one, p in zip(found, adjusted, strict=True)]
    return tuple(sorted(made, key=lambda one: one.p))


def parts(recorded: RecordedPredictions) -> Iterator[tuple[str, str, Part]]:
    """Yield property, label and images of each part that is large enough to be looked at."""
    for name, label, part in _all_parts(recorded):
        if LEAST_IMAGES <= part.sum() <= len(part) - LEAST_IMAGES:
            yield name, label, part


def _all_parts(recorded: RecordedPredictions) -> Iterator[tuple[str, str, Part]]:
    properties = recorded.properties
    numbers = {name: properties[name] for name in ("brightness", "contrast", "sharpness") if name in properties}
    if {"width", "height"} <= properties.keys():
        numbers["size"] = properties["width"].astype(np.float64) * properties["height"].astype(np.float64)
    for name, values in numbers.items():
        low, high = np.quantile(values, (0.25, 0.75))
        if low < high:
            yield name, _QUARTERS[name][0], np.asarray(values <= low)
            yield name, _QUARTERS[name][1], np.asarray(values >= high)
    for number, class_name in enumerate(recorded.class_names):
        yield "class", f"class {class_name}", np.asarray(recorded.labels == number)
    for name in ("group", "cluster"):
        values = properties.get(name, np.empty(0, np.int64))
        known, counts = np.unique(values[values >= 0], return_counts=True)
        for number in known[np.argsort(-counts, kind="stable")][:_MOST_PARTS].tolist():
            part = np.asarray(values == number)
            yield name, f"{name} {number} (like {recorded.files[int(part.argmax())]})", part
