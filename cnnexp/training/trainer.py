"""Training steps of a network: many in one graph call, which is traced at the first."""

import json
from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnexp.records import Labels
from cnnexp.training.network import Network, with_logits


@dataclass(frozen=True, kw_only=True, slots=True)
class Loss:
    """Cross-entropy against the smoothed label (Szegedy et al. 2016, arXiv:1512.00567), weighted by class."""

    class_weights: NDArray[np.float32]  # (K,)
    label_smoothing: float

    def of(self, logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Return the loss of each image (B,); logits are (B, K), labels (B,)."""
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        if self.label_smoothing:
            everywhere = -tf.reduce_mean(tf.nn.log_softmax(logits), axis=1)
            losses = (1 - self.label_smoothing) * losses + self.label_smoothing * everywhere
        weights = tf.gather(tf.constant(self.class_weights), labels)
        return losses * tf.stop_gradient(weights)  # without it, the graph gets a gradient that is not used


def balanced_class_weights(labels: Labels, num_classes: int) -> NDArray[np.float32]:
    """Return N / (K × count) for each class (K,), scikit-learn's ``balanced``; 0 for a class without images."""
    counts = np.bincount(labels, minlength=num_classes)
    weights = np.zeros(num_classes)
    np.divide(len(labels), num_classes * counts, out=weights, where=counts > 0)
    return weights.astype(np.float32)


class Trainer:
    """A network, its optimizer and its loss; calling it makes training steps."""

    def __init__(self, network: Network, optimizer: keras.Optimizer, loss: Loss) -> None:
        optimizer.build(network.model.trainable_variables)
        self.network = network
        self._optimizer = optimizer
        self._loss = loss
        self._logits = with_logits(network.model)
        batches = tf.data.IteratorSpec(
            (tf.TensorSpec(network.model.inputs[0].shape, tf.uint8), tf.TensorSpec((None,), tf.int64))
        )
        learning_rates = tf.TensorSpec((None,), tf.float32)
        self._graph = tf.function(
            self._run, input_signature=[batches, learning_rates], jit_compile=False, autograph=False
        )

    @property
    def signature(self) -> str:
        """What the graph depends on, see `graph_cache`; not the learning rate, because every step gets its own."""
        settings = self._optimizer.get_config() | {"learning_rate": None}
        loss = (self._loss.class_weights.tolist(), self._loss.label_smoothing)
        return json.dumps([self.network.signature, type(self._optimizer).__name__, settings, loss])

    def load_state_from(self, other: "Trainer") -> None:
        """Take over the weights, random numbers and optimizer state of `other`, which has the same signature."""
        self.network.load_state_from(other.network)
        for mine, theirs in zip(self._optimizer.variables, other._optimizer.variables, strict=True):
            mine.assign(theirs)

    def __call__(
        self, batches: Iterator[object], learning_rates: NDArray[np.float64]
    ) -> tuple[float, float, int, bool]:
        """Make one step for each of `learning_rates` (S,); stop after one whose loss is not finite.

        Returns:
            Summed loss, correct answers, steps made, and whether the last loss was finite.

        """
        done, loss, correct, last = self._graph(batches, tf.constant(learning_rates, tf.float32))
        return float(loss), float(correct), int(done), bool(np.isfinite(last))

    def _run(self, batches: Iterator[tuple[tf.Tensor, tf.Tensor]], learning_rates: tf.Tensor) -> tuple[tf.Tensor, ...]:
        def body(done: tf.Tensor, loss: tf.Tensor, correct: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, ...]:
            images, labels = next(batches)
            self._optimizer.learning_rate.assign(learning_rates[done])
            batch_loss, batch_correct = self._step(images, labels)
            size = tf.cast(tf.shape(labels)[0], tf.float32)
            return done + 1, loss + batch_loss * size, correct + batch_correct, batch_loss

        def unfinished(done: tf.Tensor, _loss: tf.Tensor, _correct: tf.Tensor, last: tf.Tensor) -> tf.Tensor:
            return tf.logical_and(done < tf.shape(learning_rates)[0], tf.math.is_finite(last))

        state: tuple[tf.Tensor, ...] = tf.while_loop(unfinished, body, (0, 0.0, 0.0, 0.0), parallel_iterations=1)
        return state

    def _step(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            logits = self._logits(images, training=True)
            loss = tf.reduce_mean(self._loss.of(logits, labels))
            if self._logits.losses:
                loss += tf.add_n(self._logits.losses)
        variables = self.network.model.trainable_variables
        self._optimizer.apply(tape.gradient(loss, variables), variables)
        correct = tf.reduce_sum(tf.cast(tf.argmax(logits, axis=1) == labels, tf.float32))
        return loss, correct
