"""The largest batch whose step fits into memory, found by trying: on a device, whose memory a failed step gives back.

Where the memory of the machine itself has run out, libraries fail in other ways than by an error, and the next trial
may end the process.
"""

import numpy as np
import tensorflow as tf

from cnnexp.records import Augmentation
from cnnexp.training.batches import Examples, batches
from cnnexp.training.rate_finder import LOWEST_RATE
from cnnexp.training.trainer import Trainer

SHORT_OF_MEMORY = (tf.errors.ResourceExhaustedError, MemoryError)
_TRIALS = 4  # between two sizes of which one is twice the other


def largest_batch(
    trainer: Trainer, train: Examples, *, below: int, augmentation: Augmentation, seed: int
) -> int | None:
    """Return the largest batch size found that fits, a sixteenth below the true one at most; None: it cannot be tried.

    Everything stays as it was. `below` is a size that does not fit.
    """
    if not tf.config.list_logical_devices("GPU"):
        return None

    def fits(size: int) -> bool:
        read = batches(train, batch_size=size, epochs=1, sampling="shuffled", augmentation=augmentation, seed=seed)
        try:
            with trainer.unchanged():
                trainer(iter(read), np.array([LOWEST_RATE]))
        except SHORT_OF_MEMORY:
            return False
        return True

    low, high = below, below
    while low > 1:
        low, high = low // 2, low
        if fits(low):
            break
    else:
        return None
    for _ in range(_TRIALS):
        middle = (low + high) // 2
        if middle in (low, high):
            break
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
