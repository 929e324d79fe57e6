"""The gradient of a batch, computed a micro-batch at a time: less memory, the same numbers up to rounding."""

from collections.abc import Callable, Sequence

import keras
import tensorflow as tf

# Images and labels of a batch -> its mean loss, its correct answers, and the gradient of the loss by each variable.
Gradients = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]]


def accumulated(
    gradients: Gradients, variables: Sequence[keras.Variable], *, micro_batch: int | tf.Variable
) -> Gradients:
    """Return a function like `gradients` that calls it for every `micro_batch` images of its batch.

    Each micro-batch counts by its images, so the last one may be smaller. Batch normalization is the exception to "the
    same numbers": it normalizes each micro-batch by itself; and dropout draws for each micro-batch.
    """

    def whole(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, list[tf.Tensor]]:
        size = tf.shape(labels)[0]

        def body(
            first: tf.Tensor, loss: tf.Tensor, correct: tf.Tensor, sums: list[tf.Tensor]
        ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, list[tf.Tensor]]:
            chunk = slice(first, tf.minimum(first + micro_batch, size))
            chunk_loss, chunk_correct, chunk_gradients = gradients(images[chunk], labels[chunk])
            share = tf.cast(chunk.stop - chunk.start, tf.float32) / tf.cast(size, tf.float32)
            added = [total + share * one for total, one in zip(sums, chunk_gradients, strict=True)]
            return chunk.stop, loss + share * chunk_loss, correct + chunk_correct, added

        zeros = [tf.zeros(variable.shape, tf.float32) for variable in variables]
        _, loss, correct, sums = tf.while_loop(
            lambda first, *_: first < size, body, (0, 0.0, 0.0, zeros), parallel_iterations=1
        )
        return loss, correct, sums

    return whole
