"""The loss of each image: cross-entropy or focal loss, against the smoothed label, weighted by class."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnexp.config import Extended
from cnnexp.records import Labels, LossFacts

_LEAST_DOUBT = 1e-7  # of a class; at 0 the gradient of a power below 1 is infinite
_SURE = 4.0  # a logit above the others, of an answer that is wrong but not hopeless: its probability is 0.86 of ten
_SIZES = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0)  # of the right logit
_NO_SLOPE = 1e-6
_DOUBTFUL = 0.7  # share of images that look alike and have the same label, of which a probability has to be learned
_TIMES = np.geomspace(0.05, 50, 61)  # the logits of that share; steps of 12 %


@dataclass(frozen=True, kw_only=True, slots=True)
class Loss:
    """Cross-entropy against the smoothed label (Szegedy et al. 2016, arXiv:1512.00567), weighted by class.

    With `gamma`, the term of each class counts by (1 - its probability) ** gamma: focal loss (Lin et al. 2017,
    arXiv:1708.02002), without its alpha, which is what class weights are for.
    """

    class_weights: NDArray[np.float32]  # (K,)
    label_smoothing: float
    gamma: float = 0.0  # 0: cross-entropy
    own: Extended | None = None  # of the user's code, in place of either

    def of(self, logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Return the loss of each image (B,); logits are (B, K), labels (B,)."""
        if self.own is not None:
            losses = _by_user(self.own, logits, labels)
        else:
            losses = self._focal(logits, labels) if self.gamma else self._cross_entropy(logits, labels)
        weights = tf.gather(tf.constant(self.class_weights), labels)
        return losses * tf.stop_gradient(weights)  # without it, the graph gets a gradient that is not used

    def _cross_entropy(self, logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        if self.label_smoothing:
            everywhere = -tf.reduce_mean(tf.nn.log_softmax(logits), axis=1)
            losses = (1 - self.label_smoothing) * losses + self.label_smoothing * everywhere
        return losses

    def _focal(self, logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        log_probabilities = tf.nn.log_softmax(logits)
        doubts = tf.maximum(-tf.math.expm1(log_probabilities), _LEAST_DOUBT)
        classes = len(self.class_weights)
        targets = (1 - self.label_smoothing) * tf.one_hot(labels, classes) + self.label_smoothing / classes
        return -tf.reduce_sum(targets * doubts**self.gamma * log_probabilities, axis=1)


def _by_user(own: Extended, logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
    """Return the losses of a user's function, which are checked when the graph is traced."""
    losses = own.call(logits, labels)
    if not tf.is_tensor(losses) or losses.dtype != tf.float32 or losses.shape.rank != 1:
        found = f"{losses.dtype.name} {losses.shape}" if tf.is_tensor(losses) else type(losses).__name__
        raise own.refusal(
            f"its function must return the loss of each image, a float32 tensor (N,); got {found}. Do not average it: "
            "losses are weighted by class first."
        )
    return losses


def balanced_class_weights(labels: Labels, num_classes: int) -> NDArray[np.float32]:
    """Return N / (K × count) for each class (K,), scikit-learn's ``balanced``; 0 for a class without images."""
    counts = np.bincount(labels, minlength=num_classes)
    weights = np.zeros(num_classes)
    np.divide(len(labels), num_classes * counts, out=weights, where=counts > 0)
    return weights.astype(np.float32)


def loss_facts(loss: Loss) -> LossFacts | None:
    """Look at a user's own loss, by logits that are made up; None: it is ours."""
    classes = len(loss.class_weights)
    if loss.own is None or classes < 2:
        return None
    labels = np.arange(classes)
    right, wrong = np.eye(classes, dtype=np.float32), np.roll(np.eye(classes, dtype=np.float32), 1, axis=1)
    undecided = np.zeros((classes, classes), np.float32)
    with tf.GradientTape() as tape:
        asked = tf.constant(np.concatenate([undecided, _SURE * wrong]))
        tape.watch(asked)
        losses = _by_user(loss.own, asked, tf.constant(np.concatenate([labels, labels])))
    gradient = tape.gradient(losses, asked)
    slopes = np.zeros(2 * classes) if gradient is None else np.abs(gradient.numpy()).max(axis=1)
    sure = [_by_user(loss.own, tf.constant(size * right), tf.constant(labels)) for size in _SIZES]
    return LossFacts(
        at_uniform=float(losses[:classes].numpy().mean()),
        least=float(np.min([one.numpy().mean() for one in sure])),
        stuck=float((slopes < _NO_SLOPE).mean()),
        classes=classes,
        sharpness=_sharpness(loss.own, classes),
    )


def _sharpness(own: Extended, classes: int) -> float:
    """Return how many times too large logits are by a loss that is least for them, where labels are sure to a part.

    A loss that is least for whatever is surest, as one that counts wrong answers, has no such size: 1 is returned.
    """
    shares = np.full(classes, (1 - _DOUBTFUL) / (classes - 1))
    shares[0] = _DOUBTFUL
    logits = np.outer(_TIMES, np.log(shares)).astype(np.float32)
    expected = np.zeros(len(_TIMES))
    for label, share in enumerate(shares):
        labels = tf.constant(np.full(len(_TIMES), label))
        expected += share * _by_user(own, tf.constant(logits), labels).numpy()
    least = int(expected.argmin())
    return float(_TIMES[least]) if 0 < least < len(_TIMES) - 1 else 1.0
