"""How long models take to answer for an image, beside each other."""

import time
from collections.abc import Sequence

import numpy as np

from cnnexp.portable.classifier import Classifier

IMAGES = 64  # in a batch
ROUNDS = 5
SECONDS = 4.0  # after which no further round begins


def seconds_per_image(models: Sequence[Classifier]) -> list[float]:
    """Return the seconds an image in a batch for each model, the least of several rounds in which they take turns.

    Reading the files, which takes all of them as long, is not part of it. The pixels are those of the training images
    that each model brings.
    """
    batches = [np.resize(model.reference.pixels, (IMAGES, *model.card.image.shape)) for model in models]
    for model, batch in zip(models, batches, strict=True):
        model.forward(batch)  # traces its graph
    least = [float("inf")] * len(models)
    began = time.perf_counter()
    for _ in range(ROUNDS):
        for place, (model, batch) in enumerate(zip(models, batches, strict=True)):
            start = time.perf_counter()
            model.forward(batch)
            least[place] = min(least[place], (time.perf_counter() - start) / IMAGES)
        if time.perf_counter() - began > SECONDS:
            break
    return least
