"""The batches of a training: the order of a (seed, epoch), moved by augmentation, read ahead of the updates."""

import math

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnexp.datasets import Split
from cnnexp.training import augmentation
from cnnexp.training.augmentation import Augmentation


def batches(train: Split, *, batch_size: int, epochs: int, moves: Augmentation, seed: int) -> tf.data.Dataset:
    """Return the batches of all epochs, one after another: (images uint8 (B, H, W, C), labels int64 (B,)).

    One data set for the whole training, because building one takes longer than a small epoch.
    """
    source = _Source(train, batch_size=batch_size, moves=moves, seed=seed)
    shape = train.images.shape[1:]

    def load(update: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels, maps = tf.numpy_function(source, [update], [tf.uint8, tf.int64, tf.float32])
        images = tf.ensure_shape(images, (None, *shape))
        if moves:
            images = _moved(images, tf.ensure_shape(maps, (None, 8)))
        return images, tf.ensure_shape(labels, (None,))

    options = tf.data.Options()
    options.threading.private_threadpool_size = 1  # its own thread, so that an update never waits for its batch
    options.autotune.enabled = False  # there is nothing to tune, and its thread takes up to a second to end
    as_written = tf.autograph.experimental.do_not_convert(load)  # reading its source takes longer than tracing it
    updates = epochs * source.updates_per_epoch
    return tf.data.Dataset.range(updates).map(as_written).prefetch(4).with_options(options)


class _Source:
    """The batch of each update, asked for in order: images, labels, and how augmentation moves each image."""

    def __init__(self, train: Split, *, batch_size: int, moves: Augmentation, seed: int) -> None:
        self._train = train
        self._batch_size = batch_size
        self._moves = moves
        self._seed = seed
        self._epoch = 0
        self._order = np.empty(0, np.int64)
        self.updates_per_epoch = math.ceil(len(train) / batch_size)

    def __call__(self, update: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.float32]]:
        epoch, batch = divmod(int(update), self.updates_per_epoch)
        self._begin(epoch + 1)
        first = batch * self._batch_size
        positions = self._order[first : first + self._batch_size]
        images = self._train.images[self._train.rows[positions]]
        return images, self._train.labels[positions], self._maps(len(positions), batch)

    def _begin(self, epoch: int) -> None:
        """Draw the order of an epoch, a function of the seed and its number."""
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = np.random.default_rng((self._seed, epoch)).permutation(len(self._train))

    def _maps(self, count: int, batch: int) -> NDArray[np.float32]:
        if not self._moves:
            return np.empty((0, 8), np.float32)
        height, width = self._train.images.shape[1:3]
        return augmentation.transforms(
            self._moves,
            count=count,
            height=height,
            width=width,
            seed=self._seed,
            epoch=self._epoch,
            batch=batch,
        )


def _moved(images: tf.Tensor, maps: tf.Tensor) -> tf.Tensor:
    """Return the images as `augmentation.transforms` moves them, edges repeated."""
    moved = tf.raw_ops.ImageProjectiveTransformV3(
        images=images,
        transforms=maps,
        output_shape=images.shape[1:3],
        fill_value=0.0,
        interpolation="BILINEAR",
        fill_mode="NEAREST",
    )
    return tf.ensure_shape(moved, images.shape)
