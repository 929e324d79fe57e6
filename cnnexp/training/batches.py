"""The batches of a training: the order of a (seed, epoch), augmented, and prefetched."""

import math
from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnexp.augmentation import Batch, augment_batch, draw_maps
from cnnexp.records import Augmentation, Labels
from cnnexp.training.epoch_order import order_of


class Examples(Protocol):
    """What a network is trained or validated on: images of a split, or their features."""

    @property
    def images(self) -> NDArray[Any]:
        """Of which `rows` belong here: (M, H, W, C) uint8, or (M, F) float32."""

    @property
    def rows(self) -> NDArray[np.int64]:
        """In the order of `labels` (N,)."""

    @property
    def labels(self) -> Labels:
        """Of each row (N,)."""

    def __len__(self) -> int: ...


def batches(
    train: Examples,
    *,
    batch_size: int,
    epochs: int,
    sampling: str,
    augmentation: Augmentation,
    seed: int,
    first_step: int = 0,
) -> tf.data.Dataset:
    """Return the batches of all epochs, one after another: images uint8 (B, H, W, C) and labels int64 (B,).

    Where images are mixed, the labels are float32 (B, 3): see `augmentation.mixed_labels`. Instead of images there may
    be features float32 (B, F). One data set for the whole training, because building one takes longer than a small
    epoch. It begins at `first_step` of all.
    """
    source = _Source(train, batch_size=batch_size, sampling=sampling, augmentation=augmentation, seed=seed)
    if augmentation.own is not None:
        source(np.array(0, np.int64))  # here it raises its own errors; TensorFlow would report them as its own
    label_type, label_shape = label_spec(mixed=augmentation.mixes)
    image_shape = train.images.shape[1:] if augmentation.size is None else (*augmentation.size, train.images.shape[-1])

    def load(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels = tf.numpy_function(source, [step], [tf.as_dtype(train.images.dtype), label_type])
        return tf.ensure_shape(images, (None, *image_shape)), tf.ensure_shape(labels, label_shape)

    return _prefetched(load, tf.data.Dataset.range(first_step, epochs * source.steps_per_epoch))


def _prefetched(load: Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]], steps: tf.data.Dataset) -> tf.data.Dataset:
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1  # a thread of its own, so that no step waits for its batch
    options.autotune.enabled = False  # there is nothing to tune, and its thread takes up to a second to end
    without_autograph = tf.autograph.experimental.do_not_convert(load)  # converting takes longer than tracing
    return steps.map(without_autograph).prefetch(4).with_options(options)


def plans(
    train: Examples,
    *,
    batch_size: int,
    epochs: int,
    sampling: str,
    augmentation: Augmentation,
    seed: int,
    first_step: int,
) -> tf.data.Dataset:
    """Return what the same batches are made of: positions int64 (B,) in `train`, and maps float32 (B, 8).

    For `DeviceImages`, which makes them; where no image is moved there are no maps, (0, 8).
    """
    source = _Source(train, batch_size=batch_size, sampling=sampling, augmentation=augmentation, seed=seed)

    def plan(step: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        positions, maps = tf.numpy_function(source.plan, [step], [tf.int64, tf.float32])
        return tf.ensure_shape(positions, (None,)), tf.ensure_shape(maps, (None, 8))

    return _prefetched(plan, tf.data.Dataset.range(first_step, epochs * source.steps_per_epoch))


def moves_images(train: Examples, augmentation: Augmentation) -> bool:
    """Return whether an augmentation that only moves pixels does so."""
    maps = _maps(train, augmentation, Batch(seed=0, epoch=1, number=0, count=1))
    return len(maps) > 0


def _maps(train: Examples, augmentation: Augmentation, batch: Batch) -> NDArray[np.float32]:
    """Draw the map of each image of a batch, with the line that projects: (B, 8); (0, 8) where none is moved."""
    source = train.images.shape[1:3]
    maps = draw_maps(augmentation, batch, source=source, size=augmentation.size or source) if augmentation else None
    if maps is None:
        return np.zeros((0, 8), np.float32)
    flat = maps.astype(np.float32).reshape(len(maps), 6)
    return np.concatenate([flat, np.zeros((len(maps), 2), np.float32)], axis=1)


def label_spec(*, mixed: bool) -> tuple[tf.DType, tuple[int | None, ...]]:
    """Return type and shape of the labels of a batch."""
    return (tf.float32, (None, 3)) if mixed else (tf.int64, (None,))


class _Source:
    """The batch of each step, read in order: images, augmented, and their labels."""

    def __init__(
        self,
        train: Examples,
        *,
        batch_size: int,
        sampling: str,
        augmentation: Augmentation,
        seed: int,
    ) -> None:
        self._train = train
        self._batch_size = batch_size
        self._sampling = sampling
        self._augmentation = augmentation
        self._seed = seed
        self._epoch = 0
        self._order = np.empty(0, np.int64)
        self.steps_per_epoch = math.ceil(len(train) / batch_size)

    def plan(self, step: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the positions (B,) of a batch in the split, and the maps (B, 8) of its images."""
        positions, batch = self._batch(step)
        return positions, _maps(self._train, self._augmentation, batch)

    def _batch(self, step: NDArray[np.int64]) -> tuple[NDArray[np.int64], Batch]:
        epoch, number = divmod(int(step), self.steps_per_epoch)
        self._begin(epoch + 1)
        first = number * self._batch_size
        positions = self._order[first : first + self._batch_size]
        batch = Batch(seed=self._seed, epoch=self._epoch, number=number, count=len(positions), positions=positions)
        return positions, batch

    def __call__(self, step: NDArray[np.int64]) -> tuple[NDArray[Any], NDArray[Any]]:
        positions, batch = self._batch(step)
        images = self._train.images[self._train.rows[positions]]
        return augment_batch(images, self._train.labels[positions], self._augmentation, batch)

    def _begin(self, epoch: int) -> None:
        """Draw the order of an epoch, a function of the seed and the epoch's number."""
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = order_of(self._train.labels, sampling=self._sampling, seed=self._seed, epoch=epoch)
