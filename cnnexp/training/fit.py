"""Epochs of updates, each judged by the validation split, until there are enough; the best weights are kept."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets import Split
from cnnexp.errors import NonFiniteLossError
from cnnexp.records import EpochValues, History, Labels
from cnnexp.training.augmentation import Augmentation
from cnnexp.training.batches import batches
from cnnexp.training.schedules import Plateau
from cnnexp.training.trainer import Trainer

# Updates in one graph call: Python, and with it Ctrl-C and the progress display, has its turn in between.
# The numbers do not depend on it.
STRETCH = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What `fit` needs to know beside trainer and data."""

    batch_size: int
    rates: NDArray[np.float64]  # (epochs, updates per epoch)
    plateau: Plateau
    patience: int | None  # epochs without improvement before stopping; None: never
    monitor: str  # val/loss | val/accuracy
    keep: str  # best | last: which epoch's weights the model ends with
    augmentation: Augmentation
    seed: int


def fit(
    trainer: Trainer,
    plan: Plan,
    *,
    train: Split,
    validation: Split,
    on_epoch: Callable[[EpochValues], bool],
    on_update: Callable[[int, int], None],
) -> History:
    """Train a network in place; it ends with the weights of its best epoch by `plan.monitor`, or of its last.

    `on_epoch` gets each epoch's values and returns whether to prune the run: to stop it here, unless this was its last
    epoch anyway. `on_update` gets (updates done, updates in all) after every stretch.

    Raises:
        NonFiniteLossError: at the first update whose loss is not finite.

    """
    start = time.perf_counter()
    network = trainer.network
    ahead: Iterator[object] = iter(
        batches(train, batch_size=plan.batch_size, epochs=len(plan.rates), moves=plan.augmentation, seed=plan.seed)
    )
    best = _Best(plan.monitor)
    done: list[EpochValues] = []
    pruned = False
    for epoch, full_rates in enumerate(plan.rates, start=1):
        began = time.perf_counter()
        rates = full_rates * plan.plateau.share
        loss, accuracy = _train_epoch(trainer, ahead, plan, len(train), epoch, rates, on_update)
        val_loss, val_accuracy = loss_and_accuracy(
            network.logits(validation.images, validation.rows), validation.labels
        )
        seconds = time.perf_counter() - began
        values = EpochValues(epoch, loss, accuracy, val_loss, val_accuracy, float(rates[-1]), seconds)
        done.append(values)
        best.update(values, network.model)
        plan.plateau.step(improved=best.epoch == epoch)
        prune = on_epoch(values)
        if not math.isfinite(val_loss):
            _refuse_to_go_on("validation", epoch, epoch * len(rates), float(rates[-1]))
        if pruned := prune and epoch < len(plan.rates):
            break
        if plan.patience is not None and epoch - best.epoch >= plan.patience:
            break
    if plan.keep == "best":
        network.model.set_weights(best.weights)
    updates = len(done) * plan.rates.shape[1]
    stopped_early = len(done) < len(plan.rates)
    return History(tuple(done), best.epoch, stopped_early, updates, time.perf_counter() - start, pruned)


def loss_and_accuracy(logits: NDArray[np.float32], labels: Labels) -> tuple[float, float]:
    """Return mean cross-entropy and share of right answers; logits are (N, K), labels (N,)."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1))
    losses = log_sum - shifted[np.arange(len(labels)), labels]
    return float(losses.mean()), float((logits.argmax(axis=1) == labels).mean())


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
    trainer: Trainer,
    ahead: Iterator[object],
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
        loss, right, finished, finite = trainer(ahead, portion)
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
