"""The exponential moving average of a network's weights, beside the weights that training changes."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import keras
import tensorflow as tf


class WeightAverage:
    """An average (Polyak & Juditsky 1992) of weights, updated after every step.

    The decay rises from 2/11 to its full value, (1 + step) / (10 + step), so that the initial weights are soon
    forgotten. Running statistics of batch normalization are averaged like the weights that they belong to.
    """

    def __init__(self, weights: Sequence[keras.Variable], *, decay: float) -> None:
        self._weights = list(weights)
        self.variables = [tf.Variable(weight.value, trainable=False) for weight in weights]
        self.decay = decay

    def update(self, steps: tf.Tensor) -> None:
        """Take in the weights after a step; `steps` counts it. Part of the training graph."""
        made = tf.cast(steps, tf.float32)
        decay = tf.minimum(self.decay, (1 + made) / (10 + made))
        for average, weight in zip(self.variables, self._weights, strict=True):
            average.assign_add((1 - decay) * (weight.value - average))

    def load_state_from(self, other: "WeightAverage") -> None:
        """Take over the averages of `other`, of a network of the same layers."""
        for mine, theirs in zip(self.variables, other.variables, strict=True):
            mine.assign(theirs)

    @contextmanager
    def in_network(self) -> Iterator[None]:
        """Give the network the averages within the block, and its own weights back after it."""
        own = [weight.numpy() for weight in self._weights]
        self.load_into_network()
        try:
            yield
        finally:
            for weight, value in zip(self._weights, own, strict=True):
                weight.assign(value)

    def load_into_network(self) -> None:
        """Give the network the averages."""
        for weight, average in zip(self._weights, self.variables, strict=True):
            weight.assign(average)
