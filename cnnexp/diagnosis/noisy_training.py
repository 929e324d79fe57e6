"""Cause 1a, the data: are the training images noisier than those that are judged?"""

import numpy as np

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence
from cnnexp.diagnosis.image import changes
from cnnexp.diagnosis.network_faults import GOOD
from cnnexp.diagnosis.pixel_statistics import NOISES, distance, noise_of, statistics_of
from cnnexp.diagnosis.split_gap import differs
from cnnexp.records import Finding

NOISIER = 1.15  # times the noise of validation images, in the middle; of splits drawn alike 1
REPRODUCED = 0.6  # of the distance of the pixels, that may be left when validation images get noise, too


def detect_noisy_training(run: RunEvidence) -> Finding | None:
    """Report D3 where noise makes the validation images like those of train, and not all that matters was learned."""
    if run.images is None or run.val_accuracy >= GOOD or not differs("validation", run):
        return None
    train, clean = (run.images.sample(split).images for split in ("train", "validation"))
    if not len(clean):
        return None
    noises = [float(np.median(noise_of(images))) for images in (train, clean)]
    if noises[0] < NOISIER * max(noises[1], 1.0):
        return None
    wanted = statistics_of(train)
    apart = distance(wanted, statistics_of(clean))
    noisy = [changes.gaussian_noise(amount)(clean, np.random.default_rng(run.seed)) for amount in NOISES]
    left = [distance(wanted, statistics_of(images)) for images in noisy]
    best = int(np.argmin(left))
    if left[best] > REPRODUCED * apart:
        return None
    return Finding(
        id="D3",
        cause=1,
        title="noisy training images",
        sentence=(
            f"The training images are noisier than those that are judged, {noises[0]:.3g} levels in the middle "
            f"against {noises[1]:.3g}: with noise of {NOISES[best]:g} levels the validation images are like them, the "
            f"distance of the pixels falls from {apart:.2f} to {left[best]:.2f}. {run.val_accuracy:.1%} of the "
            "validation images are right."
        ),
        evidence={
            "noise_of_train": noises[0],
            "noise_of_validation": noises[1],
            "distance_of_pixels": apart,
            "distance_with_noise": left[best],
        },
        confidence=confidence_by(Basis.REPRODUCED),
        basis=Basis.REPRODUCED,
        repair="take the images of all splits from one source, or remove the noise before training",
    )
