"""The batches of a training: the order of a (seed, epoch), augmented, and prefetched."""

import math

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnexp.datasets import Split
from cnnexp.records import Augmentation
from cnnexp.training.augmentation import apply_transforms, transforms
from cnnexp.training.epoch_order import order_of


def batches(
    train: Split, *, batch_size: int, epochs: int, sampling: str, augmentation: Augmentation, seed: int
) -> tf.data.Dataset:
    """Return the batches of all epochs, one after another: (images uint8 (B, H, W, C), labels int64 (B,)).

    One data set for the whole training, because building one takes longer than a small epoch.
    """
    source = _Source(train, batch_size=batch_size, sampling=sampling, augmentation=augmentation, seed=seed)
    shape = train.images.shape[1:]

    def load(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels, maps = tf.numpy_function(source, [step], [tf.uint8, tf.int64, tf.float32])
        images = tf.ensure_shape(images, (None, *shape))
        if augmentation:
            images = apply_transforms(images, tf.ensure_shape(maps, (None, 8)))
        return images, tf.ensure_shape(labels, (None,))

    options = tf.data.Options()
    options.threading.private_threadpool_size = 1  # a thread of its own, so that no step waits for its batch
    options.autotune.enabled = False  # there is nothing to tune, and its thread takes up to a second to end
    without_autograph = tf.autograph.experimental.do_not_convert(load)  # converting takes longer than tracing
    steps = epochs * source.steps_per_epoch
    return tf.data.Dataset.range(steps).map(without_autograph).prefetch(4).with_options(options)


class _Source:
    """The batch of each step, read in order: images, labels, and an augmentation map for each image."""

    def __init__(self, train: Split, *, batch_size: int, sampling: str, augmentation: Augmentation, seed: int) -> None:
        self._train = train
        self._batch_size = batch_size
        self._sampling = sampling
        self._augmentation = augmentation
        self._seed = seed
        self._epoch = 0
        self._order = np.empty(0, np.int64)
        self.steps_per_epoch = math.ceil(len(train) / batch_size)

    def __call__(self, step: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.float32]]:
        epoch, batch = divmod(int(step), self.steps_per_epoch)
        self._begin(epoch + 1)
        first = batch * self._batch_size
        positions = self._order[first : first + self._batch_size]
        images = self._train.images[self._train.rows[positions]]
        return images, self._train.labels[positions], self._maps(len(positions), batch)

    def _begin(self, epoch: int) -> None:
        """Draw the order of an epoch, a function of the seed and the epoch's number."""
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = order_of(self._train.labels, sampling=self._sampling, seed=self._seed, epoch=epoch)

    def _maps(self, count: int, batch: int) -> NDArray[np.float32]:
        if not self._augmentation:
            return np.empty((0, 8), np.float32)
        height, width = self._train.images.shape[1:3]
        return transforms(
            self._augmentation,
            count=count,
            height=height,
            width=width,
            seed=self._seed,
            epoch=self._epoch,
            batch=batch,
        )
