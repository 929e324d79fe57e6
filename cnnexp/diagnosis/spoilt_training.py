"""Cause 1a, the data: are the training images noisier or less sharp than those that are judged, or a part of them?

What the network does with them is not asked: it has learned them as they are.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from cnnexp.diagnosis.changed_part import find_changed_part
from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import SplitsEvidence
from cnnexp.diagnosis.image import changes
from cnnexp.diagnosis.image.changes import Transform
from cnnexp.diagnosis.network_faults import GOOD
from cnnexp.diagnosis.pixel_statistics import BLURS, NOISES, detail_of, distance, noise_between, statistics_of
from cnnexp.diagnosis.split_gap import OF_TRAIN, accuracy_difference, differs, is_apart
from cnnexp.diagnosis.spoilt_part import find_spoilt_part, spoilt_finding
from cnnexp.records import Finding, Images

NOISIER = 1.15  # times the noise of validation images, in the middle; of splits drawn alike 1
LESS_SHARP = 1 / NOISIER  # times their sharpness
REPRODUCED = 0.6  # of the distance of the pixels, that may be left when validation images are spoilt, too
IMPULSES = (0.02, 0.035, 0.05, 0.08, 0.12, 0.18, 0.25)  # share of the pixels


@dataclass(frozen=True, slots=True)
class Spoiling:
    """What is done to validation images to make them like those of train."""

    id: str  # of the fault catalogue
    how: str
    change: Transform


def detect_spoilt_training(run: SplitsEvidence) -> Finding | None:
    """Report D3 or D2 where noise or blur makes the validation images like those of train, or a part of these is so.

    Or a change that can be undone, as inversion is, of a part of them. Only where not all that matters was learned, and
    the splits differ.
    """
    checked = next((split for split in ("validation", "test") if differs(split, run)), None)
    other = checked or next((split for split in ("validation", "test") if is_apart(run, split)), None)
    samples = None if run.val_accuracy >= GOOD or other is None else run.samples("train", other)
    if other is None or samples is None or not len(samples[1].labels):
        return None
    train, clean = (sample.images for sample in samples)
    found = _whole(train, clean, run) if checked == "validation" else None
    found = found or _changed_part(train, clean, other, run.seed)
    found = found or (_part(train, clean, other) if checked is not None else None)
    if found is None or not {"train", "validation"} <= run.answers.keys():
        return found
    gap, _, _ = accuracy_difference(run, "train", "validation")
    return replace(found, evidence={**found.evidence, OF_TRAIN: gap})


def _whole(train: Images, clean: Images, run: SplitsEvidence) -> Finding | None:
    sharpness, noise, mean_noise = (float(own) for own in detail_of(train) / np.maximum(detail_of(clean), 1.0))
    noises = (*NOISES, *noise_between(train, clean)) if max(noise, mean_noise) >= NOISIER else ()
    possible = list(_spoilings(noises=noises, blurs=BLURS if sharpness <= LESS_SHARP else ()))
    if not possible:
        return None
    wanted = statistics_of(train)
    apart = distance(wanted, statistics_of(clean))
    spoilt = [one.change(clean, np.random.default_rng(run.seed)) for one in possible]
    left = [distance(wanted, statistics_of(images)) for images in spoilt]
    best = int(np.argmin(left))
    if left[best] > REPRODUCED * apart:
        return None
    noisy = possible[best].id == "D3"
    return Finding(
        id=possible[best].id,
        cause=1,
        title="noisy training images" if noisy else "blurred training images",
        sentence=(
            f"The training images are {'noisier' if noisy else 'less sharp'} than those that are judged "
            f"({'noise' if noisy else 'sharpness'} {noise if noisy else sharpness:.2g} times theirs): with "
            f"{possible[best].how} the validation images are like them, the distance of the pixels falls from "
            f"{apart:.2f} to {left[best]:.2f}. {run.val_accuracy:.1%} of the validation images are right."
        ),
        evidence={
            "noise_by_that_of_validation": noise,
            "sharpness_by_that_of_validation": sharpness,
            "distance_of_pixels": apart,
            "distance_when_spoilt": left[best],
        },
        confidence=confidence_by(Basis.REPRODUCED),
        basis=Basis.REPRODUCED,
        repair="take the images of all splits from one source, "
        + ("or remove the noise before training" if noisy else "in focus and by the same resize rule"),
    )


def _spoilings(*, noises: Sequence[float], blurs: Sequence[float]) -> Iterator[Spoiling]:
    for amount in noises:
        yield Spoiling("D3", f"noise of {amount:.2g} levels", changes.gaussian_noise(amount))
    for share in IMPULSES if noises else ():
        for grey in (True, False):
            change = changes.salt_and_pepper(share, grey=grey)
            yield Spoiling("D3", f"{share:.0%} of the pixels black or white", change)
    for amount in blurs:
        yield Spoiling("D2", f"a blur of {amount:g} px", changes.gaussian_blur(amount))


def _changed_part(train: Images, clean: Images, split: str, seed: int) -> Finding | None:
    part = find_changed_part(clean=clean, asked=train, seed=seed)
    if part is None:
        return None
    title = f"a part of train is {part.candidate.title}"
    return Finding(
        id=part.candidate.id,
        cause=1,
        title=title,
        sentence=(
            f"{part.share:.0%} of the training images look {part.candidate.title}, by their pixels beside those of "
            f"{split}, which tell {part.told_apart:.0%} of such images rightly. With {part.candidate.how} for these "
            f"alone both splits are alike: the distance of their pixels falls from {part.before:.2f} to "
            f"{part.after:.2f}."
        ),
        evidence={
            "share": part.share,
            "told_apart": part.told_apart,
            "distance_of_pixels": part.before,
            "distance_undone": part.after,
        },
        confidence=confidence_by(Basis.REPRODUCED),
        basis=Basis.REPRODUCED,
        repair=f"train: {part.candidate.repair}, where it is so; find out which source these images came from",
    )


def _part(train: Images, clean: Images, split: str) -> Finding | None:
    part = find_spoilt_part(clean=clean, asked=train)
    return None if part is None else spoilt_finding(part, "train", split, right=None)
