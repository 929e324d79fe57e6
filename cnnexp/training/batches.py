"""The batches of a training: the order of a (seed, epoch), augmented, and prefetched."""

import math
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnexp.augmentation import Batch, augment_batch
from cnnexp.datasets import Split
from cnnexp.records import Augmentation, Images
from cnnexp.training.epoch_order import order_of


def batches(
    train: Split, *, batch_size: int, epochs: int, sampling: str, augmentation: Augmentation, seed: int
) -> tf.data.Dataset:
    """Return the batches of all epochs, one after another: images uint8 (B, H, W, C) and labels int64 (B,).

    Where images are mixed, the labels are float32 (B, 3): see `augmentation.mixed_labels`. One data set for the whole
    training, because building one takes longer than a small epoch.
    """
    source = _Source(train, batch_size=batch_size, sampling=sampling, augmentation=augmentation, seed=seed)
    image_shape, (label_type, label_shape) = train.images.shape[1:], label_spec(mixed=augmentation.mixes)

    def load(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels = tf.numpy_function(source, [step], [tf.uint8, label_type])
        return tf.ensure_shape(images, (None, *image_shape)), tf.ensure_shape(labels, label_shape)

    options = tf.data.Options()
    options.threading.private_threadpool_size = 1  # a thread of its own, so that no step waits for its batch
    options.autotune.enabled = False  # there is nothing to tune, and its thread takes up to a second to end
    without_autograph = tf.autograph.experimental.do_not_convert(load)  # converting takes longer than tracing
    steps = epochs * source.steps_per_epoch
    return tf.data.Dataset.range(steps).map(without_autograph).prefetch(4).with_options(options)


def label_spec(*, mixed: bool) -> tuple[tf.DType, tuple[int | None, ...]]:
    """Return type and shape of the labels of a batch."""
    return (tf.float32, (None, 3)) if mixed else (tf.int64, (None,))


class _Source:
    """The batch of each step, read in order: images, augmented, and their labels."""

    def __init__(self, train: Split, *, batch_size: int, sampling: str, augmentation: Augmentation, seed: int) -> None:
        self._train = train
        self._batch_size = batch_size
        self._sampling = sampling
        self._augmentation = augmentation
        self._seed = seed
        self._epoch = 0
        self._order = np.empty(0, np.int64)
        self.steps_per_epoch = math.ceil(len(train) / batch_size)

    def __call__(self, step: NDArray[np.int64]) -> tuple[Images, NDArray[Any]]:
        epoch, number = divmod(int(step), self.steps_per_epoch)
        self._begin(epoch + 1)
        first = number * self._batch_size
        positions = self._order[first : first + self._batch_size]
        images, labels = self._train.images[self._train.rows[positions]], self._train.labels[positions]
        batch = Batch(seed=self._seed, epoch=self._epoch, number=number, count=len(positions))
        return augment_batch(images, labels, self._augmentation, batch)

    def _begin(self, epoch: int) -> None:
        """Draw the order of an epoch, a function of the seed and the epoch's number."""
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = order_of(self._train.labels, sampling=self._sampling, seed=self._seed, epoch=epoch)
