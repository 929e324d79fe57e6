"""Training: whole stretches of updates as one graph call, one order a (seed, epoch), the best weights kept."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnexp import augmentation, inference
from cnnexp.augmentation import Augmentation
from cnnexp.datasets import Split
from cnnexp.errors import NonFiniteLossError
from cnnexp.records import EpochValues, History, Labels
from cnnexp.schedules import Plateau

# Updates in one graph call: Python, and with it Ctrl-C and the progress display, has its turn in between.
# The numbers do not depend on it.
STRETCH = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What `fit` needs to know beside model and data."""

    batch_size: int
    rates: NDArray[np.float64]  # (epochs, updates per epoch)
    plateau: Plateau
    patience: int | None  # epochs without improvement before stopping; None: never
    monitor: str  # val/loss | val/accuracy
    keep: str  # best | last: which epoch's weights the model ends with
    class_weights: NDArray[np.float32]  # (K,)
    label_smoothing: float
    augmentation: Augmentation
    seed: int


def fit(
    model: keras.Model,
    optimizer: keras.Optimizer,
    plan: Plan,
    *,
    train: Split,
    validation: Split,
    on_epoch: Callable[[EpochValues], None],
    on_update: Callable[[int, int], None],
) -> History:
    """Train `model` in place; it ends with the weights of its best epoch by `plan.monitor`, or of its last.

    `on_epoch` gets each epoch's values, `on_update` (updates done, updates in all) after every stretch.

    Raises:
        NonFiniteLossError: at the first update whose loss is not finite.

    """
    start = time.perf_counter()
    stretch = _Stretch(model, optimizer, plan)
    batches: Iterator[object] = iter(_batches(train, plan))
    judge = inference.compiled(inference.with_logits(model))
    best = _Best(plan.monitor)
    done: list[EpochValues] = []
    for epoch, full_rates in enumerate(plan.rates, start=1):
        began = time.perf_counter()
        rates = full_rates * plan.plateau.share
        loss, accuracy = _train_epoch(stretch, batches, plan, len(train), epoch, rates, on_update)
        val_loss, val_accuracy = loss_and_accuracy(judge(validation.images, validation.rows), validation.labels)
        seconds = time.perf_counter() - began
        values = EpochValues(epoch, loss, accuracy, val_loss, val_accuracy, float(rates[-1]), seconds)
        done.append(values)
        best.update(values, model)
        plan.plateau.step(improved=best.epoch == epoch)
        on_epoch(values)
        if not math.isfinite(val_loss):
            _refuse_to_go_on("validation", epoch, epoch * len(rates), float(rates[-1]))
        if plan.patience is not None and epoch - best.epoch >= plan.patience:
            break
    if plan.keep == "best":
        model.set_weights(best.weights)
    updates = len(done) * plan.rates.shape[1]
    stopped_early = len(done) < len(plan.rates)
    return History(tuple(done), best.epoch, stopped_early, updates, time.perf_counter() - start)


def loss_and_accuracy(logits: NDArray[np.float32], labels: Labels) -> tuple[float, float]:
    """Return mean cross-entropy and share of right answers; logits are (N, K), labels (N,)."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1))
    losses = log_sum - shifted[np.arange(len(labels)), labels]
    return float(losses.mean()), float((logits.argmax(axis=1) == labels).mean())


def balanced_class_weights(labels: Labels, num_classes: int) -> NDArray[np.float32]:
    """Return N / (K × count) for each class (K,), scikit-learn's ``balanced``; 0 for a class without images."""
    counts = np.bincount(labels, minlength=num_classes)
    weights = np.zeros(num_classes)
    np.divide(len(labels), num_classes * counts, out=weights, where=counts > 0)
    return weights.astype(np.float32)


class _Best:
    """The best epoch so far and its weights."""

    def __init__(self, monitor: str) -> None:
        self._monitor = monitor
        self._best = -math.inf
        self.epoch = 0
        self.weights: list[NDArray[np.float32]] = []

    def update(self, values: EpochValues, model: keras.Model) -> None:
        score = -values.val_loss if self._monitor == "val/loss" else values.val_accuracy
        if score > self._best:
            self._best = score
            self.epoch = values.epoch
            self.weights = model.get_weights()


def _train_epoch(
    stretch: "_Stretch",
    batches: Iterator[object],
    plan: Plan,
    images: int,
    epoch: int,
    rates: NDArray[np.float64],
    on_update: Callable[[int, int], None],
) -> tuple[float, float]:
    """Run one epoch; return its mean loss and accuracy over images, taken while the weights moved."""
    before = (epoch - 1) * len(rates)
    total_loss = total_right = 0.0
    for first in range(0, len(rates), STRETCH):
        portion = rates[first : first + STRETCH]
        loss, right, finished, finite = stretch(batches, portion)
        if not finite:
            _refuse_to_go_on("training", epoch, before + first + finished, float(portion[finished - 1]))
        total_loss += loss
        total_right += right
        on_update(before + first + finished, plan.rates.size)
    return total_loss / images, total_right / images


def _refuse_to_go_on(which: str, epoch: int, update: int, rate: float) -> None:
    raise NonFiniteLossError(
        f"The {which} loss must stay finite; it became NaN or infinite at update {update} (epoch {epoch}) with a "
        f"learning rate of {rate:g}. Try optimizer.learning_rate={rate / 10:g}, schedule=warmup_cosine, or "
        "training.precision=float32 if it was bfloat16."
    )


def _batches(train: Split, plan: Plan) -> tf.data.Dataset:
    """Return the batches of all epochs, one after another: (images uint8 or float32, labels).

    One data set for the whole training, because building one takes longer than a small epoch.
    """
    source = _Batches(train, plan)
    shape = train.images.shape[1:]

    def load(update: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        images, labels, maps = tf.numpy_function(source, [update], [tf.uint8, tf.int64, tf.float32])
        images = tf.ensure_shape(images, (None, *shape))
        if plan.augmentation:
            images = _moved(images, tf.ensure_shape(maps, (None, 8)))
        return images, tf.ensure_shape(labels, (None,))

    options = tf.data.Options()
    options.threading.private_threadpool_size = 1  # its own thread, so that an update never waits for its batch
    as_written = tf.autograph.experimental.do_not_convert(load)  # reading its source takes longer than tracing it
    return tf.data.Dataset.range(plan.rates.size).map(as_written).prefetch(4).with_options(options)


class _Batches:
    """The batch of each update, asked for in order: images, labels, and how augmentation moves each image."""

    def __init__(self, train: Split, plan: Plan) -> None:
        self._train = train
        self._plan = plan
        self._epoch = 0
        self._order = np.empty(0, np.int64)

    def __call__(self, update: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.float32]]:
        epoch, batch = divmod(int(update), self._plan.rates.shape[1])
        self._begin(epoch + 1)
        first = batch * self._plan.batch_size
        positions = self._order[first : first + self._plan.batch_size]
        images = self._train.images[self._train.rows[positions]]
        return images, self._train.labels[positions], self._maps(len(positions), batch)

    def _begin(self, epoch: int) -> None:
        """Draw the order of an epoch, a function of the seed and its number."""
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = np.random.default_rng((self._plan.seed, epoch)).permutation(len(self._train))

    def _maps(self, count: int, batch: int) -> NDArray[np.float32]:
        if not self._plan.augmentation:
            return np.empty((0, 8), np.float32)
        height, width = self._train.images.shape[1:3]
        return augmentation.transforms(
            self._plan.augmentation,
            count=count,
            height=height,
            width=width,
            seed=self._plan.seed,
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


class _Stretch:
    """Many updates in one graph call; stops right after an update whose loss is not finite."""

    def __init__(self, model: keras.Model, optimizer: keras.Optimizer, plan: Plan) -> None:
        optimizer.build(model.trainable_variables)
        self._model = model
        self._logits = inference.with_logits(model)
        self._optimizer = optimizer
        self._plan = plan
        self._graph = tf.function(self._run, jit_compile=False, autograph=False, reduce_retracing=True)

    def __call__(self, batches: Iterator[object], rates: NDArray[np.float64]) -> tuple[float, float, int, bool]:
        """Return summed loss, right answers, updates done, and whether the last loss was finite."""
        done, loss, right, last = self._graph(batches, tf.constant(rates, tf.float32))
        return float(loss), float(right), int(done), bool(np.isfinite(last))

    def _run(self, batches: Iterator[tuple[tf.Tensor, tf.Tensor]], rates: tf.Tensor) -> tuple[tf.Tensor, ...]:
        def body(done: tf.Tensor, loss: tf.Tensor, right: tf.Tensor, _: tf.Tensor) -> tuple[tf.Tensor, ...]:
            images, labels = next(batches)
            self._optimizer.learning_rate.assign(rates[done])
            batch_loss, batch_right = self._update(images, labels)
            size = tf.cast(tf.shape(labels)[0], tf.float32)
            return done + 1, loss + batch_loss * size, right + batch_right, batch_loss

        def unfinished(done: tf.Tensor, _loss: tf.Tensor, _right: tf.Tensor, last: tf.Tensor) -> tf.Tensor:
            return tf.logical_and(done < tf.shape(rates)[0], tf.math.is_finite(last))

        state: tuple[tf.Tensor, ...] = tf.while_loop(unfinished, body, (0, 0.0, 0.0, 0.0), parallel_iterations=1)
        return state

    def _update(self, images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        with tf.GradientTape() as tape:
            logits = self._logits(images, training=True)
            loss = tf.reduce_mean(self._losses(logits, labels))
            if self._logits.losses:
                loss += tf.add_n(self._logits.losses)
        variables = self._model.trainable_variables
        self._optimizer.apply(tape.gradient(loss, variables), variables)
        right = tf.reduce_sum(tf.cast(tf.argmax(logits, axis=1) == labels, tf.float32))
        return loss, right

    def _losses(self, logits: tf.Tensor, labels: tf.Tensor) -> tf.Tensor:
        """Cross-entropy against the smoothed label (Szegedy et al. 2016, arXiv:1512.00567), weighted by class."""
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        smoothing = self._plan.label_smoothing
        if smoothing:
            everywhere = -tf.reduce_mean(tf.nn.log_softmax(logits), axis=1)
            losses = (1 - smoothing) * losses + smoothing * everywhere
        weights = tf.gather(tf.constant(self._plan.class_weights), labels)
        return losses * tf.stop_gradient(weights)  # else the graph gets a gradient that nobody asks for
