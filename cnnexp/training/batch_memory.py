"""How many images of a step fit into memory at a time, found by trying."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import tensorflow as tf

from cnnexp.records import Augmentation
from cnnexp.training.batches import Examples, batches
from cnnexp.training.rate_finder import LOWEST_RATE
from cnnexp.training.trainer import Trainer

_TRIALS = 4  # between two sizes of which one is twice the other
_WORDS = ("MemoryError", "bad_alloc", "Cannot allocate memory")  # within errors that TensorFlow makes of others


def is_memory_shortage(error: Exception) -> bool:
    """Return whether memory ran out."""
    if isinstance(error, tf.errors.OpError):
        return isinstance(error, tf.errors.ResourceExhaustedError) or any(word in str(error) for word in _WORDS)
    return isinstance(error, MemoryError)


def fitting_batches(
    trainer_of: Callable[[tf.Variable], Trainer],
    train: Examples,
    sizes: Sequence[int],
    *,
    batch_size: int,
    sampling: str,
    augmentation: Augmentation,
    seed: int,
) -> Iterator[int]:
    """Yield each of `sizes`, ascending, when the gradient of so many images at a time has fitted into memory.

    The first that does not ends it by an error, or ends the process: libraries that get no memory from the machine
    itself often do. Each gets the whole batches of a step, of which it uses two parts: the gradient of the second one
    is added to that of the first. The network and its optimizer are not to be used afterwards.

    Args:
        trainer_of: Makes the trainer, which computes the gradients of as many images at a time as the variable says.
        train: What it trains on.
        sizes: Images at a time.
        batch_size: Images of a step.
        sampling: As in training, like the two others.
        augmentation: Of the batches.
        seed: Of their order.

    """
    micro_batch = tf.Variable(sizes[0], dtype=tf.int32, trainable=False)
    trainer = trainer_of(micro_batch)
    read = batches(train, batch_size=batch_size, epochs=2, sampling=sampling, augmentation=augmentation, seed=seed)
    for size in sizes:
        micro_batch.assign(size)
        parts = tf.autograph.experimental.do_not_convert(_first(2 * size))
        trainer(iter(read.map(parts)), np.full(2, LOWEST_RATE))
        yield size


def _first(count: int) -> Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    return lambda images, labels: (images[:count], labels[:count])


def largest_batch_on_device(
    trainer: Trainer, train: Examples, *, below: int, augmentation: Augmentation, seed: int
) -> int | None:
    """Return the largest batch size found that fits, a sixteenth below the true one at most.

    0: not even one image; None: it cannot be tried.

    Everything stays as it was: a device's memory is given back by a step that fails. `below` is a size that does not
    fit.
    """
    if not tf.config.list_logical_devices("GPU"):
        return None

    def fits(size: int) -> bool:
        read = batches(train, batch_size=size, epochs=1, sampling="shuffled", augmentation=augmentation, seed=seed)
        try:
            with trainer.unchanged():
                trainer(iter(read), np.array([LOWEST_RATE]))
        except (MemoryError, tf.errors.ResourceExhaustedError):
            return False
        return True

    low, high = below, below
    while low > 1:
        low, high = low // 2, low
        if fits(low):
            break
    else:
        return 0
    for _ in range(_TRIALS):
        middle = (low + high) // 2
        if middle in (low, high):
            break
        low, high = (middle, high) if fits(middle) else (low, middle)
    return low
