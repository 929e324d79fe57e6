"""The gradient of a batch, computed in parts on several machines at once: the same numbers up to rounding.

This machine has the network that is trained and all that is saved of it. For each step the others get the values of its
variables and their part of the images, and answer with the gradient, so they need neither the data nor any state.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Protocol

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnexp.training.accumulation import Gradients
from cnnexp.training.losses import Loss

Arrays = Sequence[NDArray[Any]]

_STRIDE = 0x9E3779B9  # between the seeds of two machines; odd, so that no two of them meet


@dataclass(frozen=True, kw_only=True, slots=True)
class GradientSpec:
    """What a machine needs to compute gradients as a `Trainer` does."""

    model: bytes  # a ``.keras`` file
    loss: Loss
    trained: tuple[int, ...]  # the places of the variables that change among the trainable ones
    backbone_training: bool
    micro_batch: int | None
    mixed: bool


class Machines(Protocol):
    """Other machines that compute gradients."""

    @property
    def count(self) -> int:
        """How many there are."""

    def load(self, key: object, spec: Callable[[], GradientSpec]) -> None:
        """Have them compute gradients by a spec, which is asked for unless they have that of this `key`."""

    def begin(self, values: Arrays, parts: Sequence[tuple[NDArray[Any], NDArray[Any]]]) -> None:
        """Have each compute the gradient of one of `parts`, images and labels, unless it is empty."""

    def end(self) -> list[tuple[int, Arrays]]:
        """Return of each part that is not empty its images, and loss, correct answers, gradients and statistics."""

    def raise_failure(self) -> None:
        """Raise the error that a machine has ended with, if one has."""


def on_machines(
    gradients: Gradients,
    *,
    trained: Sequence[keras.Variable],
    statistics: Sequence[keras.Variable],
    random_states: Sequence[keras.Variable],
    machines: Machines,
) -> Gradients:
    """Return a function like `gradients` that computes an equal part of its batch on this and each of `machines`.

    Each part counts by its images. What differs from one machine is the same as with several devices, see
    `data_parallel.on_devices`: batch normalization and dropout see each part by itself.

    Args:
        gradients: Of a batch of at least one image, by the variables `trained`.
        trained: Those that change.
        statistics: What `gradients` changes beside random states.
        random_states: What dropout draws from, each of two numbers; other machines draw by seeds of their own.
        machines: The others.

    """
    sent = [*trained, *statistics, *random_states]

    def begin(images: NDArray[Any], labels: NDArray[Any], size: int, *values: NDArray[Any]) -> np.int64:
        ends = [number * int(size) // (machines.count + 1) for number in range(machines.count + 1)]
        parts = [(images[first:end], labels[first:end]) for first, end in pairwise(ends)]
        machines.begin(values, parts)
        return np.int64(size)

    def end(size: int) -> Arrays:
        return _summed(machines.end(), int(size), like=[*trained, *statistics])

    def whole(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        size = tf.shape(labels)[0]
        first = machines.count * size // (machines.count + 1)  # of the part of this machine, which is never empty
        begun = tf.numpy_function(begin, [images[:first], labels[:first], size, *_values(sent)], tf.int64)
        with tf.control_dependencies([begun]):
            loss, correct, own = gradients(images[first:], labels[first:])
        moved = _values(statistics)
        with tf.control_dependencies([loss, correct, *own, *moved]):
            kinds = [tf.float32] * (2 + len(trained) + len(statistics))
            others = tf.numpy_function(end, [begun], kinds)
        share = tf.cast(size - first, tf.float32) / tf.cast(size, tf.float32)
        ours = [share * loss, correct, *(share * one for one in (*own, *moved))]
        loss, correct, *rest = [a + tf.ensure_shape(b, a.shape) for a, b in zip(ours, others, strict=True)]
        for variable, value in zip(statistics, rest[len(trained) :], strict=True):
            variable.assign(value)
        return loss, correct, rest[: len(trained)]

    return whole


def random_state_of(state: NDArray[Any], *, number: int) -> NDArray[Any]:
    """Return the random state (2,), a seed and a counter, with which machine `number` draws, from 1 on."""
    shift = np.array([number * _STRIDE % 2**31, 0])
    moved: NDArray[Any] = (state.astype(np.int64) + shift).astype(state.dtype)
    return moved


def _values(variables: Sequence[keras.Variable]) -> list[tf.Tensor]:
    return [tf.identity(variable.value) for variable in variables]


def _summed(answers: Sequence[tuple[int, Arrays]], size: int, *, like: Sequence[keras.Variable]) -> Arrays:
    """Return the sums of answers, of which each counts by its images among `size`, but for the correct ones."""
    sums = [np.zeros((), np.float32), np.zeros((), np.float32), *(np.zeros(one.shape, np.float32) for one in like)]
    for images, answer in answers:
        share = np.float32(images / size)
        for place, value in enumerate(answer):
            sums[place] = sums[place] + (np.float32(1) if place == 1 else share) * np.asarray(value, np.float32)
    return sums
