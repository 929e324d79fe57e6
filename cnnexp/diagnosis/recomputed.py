"""Cause 4, the metrics: is what was recorded what the model, the data and the predictions give when asked again?"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.records import Finding, Labels, Probabilities, RecordedPredictions
from cnnexp.records.catalogue import NAMES

SAME = 1e-6  # accuracy
DIFFERENT = 0.05  # probability of a class; other processors and versions differ by a thousandth of that
FEW = 0.01  # share of the images that may differ


@dataclass(frozen=True, slots=True)
class ImagesNow:
    """The test split of the run's data as they are now."""

    digests: tuple[str, ...]  # (N,) of the pixels
    labels: Labels  # (N,)


def compare_metric(recorded: RecordedPredictions, accuracy: float) -> Finding | None:
    """Report E2 where a recorded accuracy is not that of the recorded predictions."""
    own = float((recorded.predicted == recorded.labels).mean())
    if abs(own - accuracy) <= SAME:
        return None
    return Finding(
        id="E2",
        cause=4,
        title=NAMES["E2"],
        sentence=(
            f"The recorded test accuracy is {accuracy:.1%}, and the recorded predictions of the test images give "
            f"{own:.1%}: the number was computed of something else."
        ),
        evidence={"accuracy": accuracy, "accuracy_recomputed": own},
        confidence=confidence_by(Basis.RECORD),
        basis=Basis.RECORD,
        repair="compute it from predictions.parquet: the share of the test images with correct = true",
    )


def compare_data(recorded: RecordedPredictions, now: ImagesNow) -> Finding | None:
    """Report E4 where the test images or their labels are no longer those that were judged."""
    if recorded.digests is None:
        return None
    known = dict(zip(now.digests, now.labels.tolist(), strict=True))
    gone = sum(digest not in known for digest in recorded.digests)
    moved = sum(
        digest in known and known[digest] != label
        for digest, label in zip(recorded.digests, recorded.labels.tolist(), strict=True)
    )
    images = len(recorded.digests)
    if gone + moved <= FEW * images:
        return None
    return _other(
        f"{gone:,} of the {images:,} test images that were judged are no longer in the test split of the data, and "
        f"{moved:,} have another label: these are not the data that the run was made with.",
        {"images_gone": gone, "labels_changed": moved, "images": images},
        "train again on the data as they are, or bring back those of the run: its digests are in predictions.parquet",
    )


def compare_answers(
    recorded: RecordedPredictions, now: ImagesNow, probabilities: Probabilities, accuracy: float
) -> Finding | None:
    """Report E4 where the model no longer answers as it did; `probabilities` (N, K) are those of the images now."""
    if recorded.digests is None:
        return None
    places = {digest: place for place, digest in enumerate(now.digests)}
    pairs = [(row, places[digest]) for row, digest in enumerate(recorded.digests) if digest in places]
    if not pairs:
        return None
    before, after = np.array(pairs).T
    apart: NDArray[np.bool_] = np.abs(recorded.probabilities[before] - probabilities[after]).max(axis=1) > DIFFERENT
    if apart.mean() <= FEW:
        return None
    own = float((probabilities[after].argmax(axis=1) == now.labels[after]).mean())
    return _other(
        f"The model answers {apart.mean():.0%} of the test images otherwise than it did when the run ended: {own:.1%} "
        f"are right now, and {accuracy:.1%} were. These are not the weights that were recorded, or they are read in "
        "another order.",
        {"answers_apart": float(apart.mean()), "accuracy_now": own, "accuracy": accuracy},
        "take model.keras from the run again, or train it again: the command is on the page of the run",
    )


def _other(sentence: str, evidence: dict[str, float], repair: str) -> Finding:
    sure = confidence_by(Basis.RECORD)
    return Finding("E4", 4, NAMES["E4"], sentence, evidence, sure, repair, basis=Basis.RECORD)
