"""The training loop: epochs of steps, each validated, until enough; the best weights are kept."""

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from cnnexp.errors import NonFiniteLossError
from cnnexp.evaluation import output_statistics
from cnnexp.records import Augmentation, EpochValues, History, Labels
from cnnexp.training.batches import Examples, batches
from cnnexp.training.network import Network
from cnnexp.training.schedules import Plateau
from cnnexp.training.soup import Weights, greedy_soup
from cnnexp.training.trainer import Trainer


@dataclass(frozen=True, kw_only=True, slots=True)
class FitConfig:
    """The settings of `fit`."""

    batch_size: int  # images of a step
    sampling: str  # shuffled | balanced: see `epoch_order`
    learning_rates: NDArray[np.float64]  # (epochs, steps per epoch)
    set_learning_rate: float  # optimizer.learning_rate, before batch scaling and schedule: what a user can lower
    plateau: Plateau
    patience: int | None  # epochs without improvement before stopping; None: never
    monitor: str  # val/loss | val/accuracy
    keep: str  # best | last: which epoch's weights the model ends with
    augmentation: Augmentation
    seed: int
    soup: int = 1  # of how many best epochs the weights are averaged, where that does not lower `monitor`
    views: int = 1  # of each training image, one after another: epoch 1 takes the first, see `batches`
    epochs_after: int = 0  # of the stages that follow
    # Steps in one graph call; between two calls Python handles Ctrl-C and the progress display. Changes no number.
    steps_per_execution: int = 64


def fit(
    trainer: Trainer,
    config: FitConfig,
    *,
    train: Examples,
    validation: Examples,
    on_epoch: Callable[[EpochValues], bool],
    on_steps: Callable[[int, int], None],
    before: History | None = None,
) -> History:
    """Train a network in place; it ends with the weights of its best epoch by `config.monitor`, or of its last.

    With `config.soup` it ends with a greedy soup of its best epochs.

    `on_epoch` gets each epoch's values and returns whether to prune the run: to stop it here, unless this was its last
    epoch anyway. `on_steps` gets (steps done, steps in all) after every graph call.

    `before` is the history of an earlier stage, which the network has the weights of: its epochs are counted, and the
    best epoch may be one of them.

    Raises:
        NonFiniteLossError: at the first step whose loss is not finite.

    """
    start = time.perf_counter()
    network = trainer.network
    epochs, steps_per_epoch = config.learning_rates.shape
    ordered = iter(
        batches(
            train,
            batch_size=config.batch_size,
            epochs=epochs,
            sampling=config.sampling,
            augmentation=config.augmentation,
            seed=config.seed,
            views=config.views,
        )
    )
    done: list[EpochValues] = [] if before is None else list(before.epochs)
    first = len(done) + 1
    final = len(done) + epochs + config.epochs_after
    best = _BestWeights(config, before, network.model)
    untrained = network.logits(validation.images, validation.rows)
    outputs = [output_statistics(untrained, untrained=untrained)]
    penalties = [network.penalty()]
    pruned = False
    for epoch, scheduled in enumerate(config.learning_rates, start=first):
        began = time.perf_counter()
        learning_rates = scheduled * config.plateau.factor
        last = float(learning_rates[-1])
        loss, accuracy = _train_epoch(trainer, ordered, config, len(train), epoch, final, learning_rates, on_steps)
        with trainer.averaged():
            logits = network.logits(validation.images, validation.rows)
            val_loss, val_accuracy = loss_and_accuracy(logits, validation.labels)
            seconds = time.perf_counter() - began
            values = EpochValues(epoch, loss, accuracy, val_loss, val_accuracy, last, seconds)
            done.append(values)
            best.update(values, network.model)
            penalties.append(network.penalty())
        config.plateau.step(improved=best.epoch == epoch)
        prune = on_epoch(values)
        if not math.isfinite(val_loss):
            _raise_non_finite(config, "validation", epoch, epoch * steps_per_epoch, last)
        outputs.append(output_statistics(logits, untrained=untrained))
        if pruned := prune and epoch < final:
            break
        if config.patience is not None and epoch - max(best.epoch, first - 1) >= config.patience:
            break
    trainer.keep_average()
    soup = best.load_into(network, validation) if config.keep == "best" else ()
    return History(
        epochs=tuple(done),
        best_epoch=best.epoch,
        stopped_early=len(done) < final,
        steps=len(done) * steps_per_epoch,
        seconds=time.perf_counter() - start + (0.0 if before is None else before.seconds),
        pruned=pruned,
        outputs=tuple(outputs),
        penalties=tuple(penalties) if any(penalties) else (),
        head_epochs=first - 1,
        soup=soup,
    )


def loss_and_accuracy(logits: NDArray[np.float32], labels: Labels) -> tuple[float, float]:
    """Return mean cross-entropy in nats and accuracy, 0..1; logits are (N, K), labels (N,)."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1))
    losses = log_sum - shifted[np.arange(len(labels)), labels]
    return float(losses.mean()), float((logits.argmax(axis=1) == labels).mean())


class _BestWeights:
    """The weights of the best epochs so far: of one, or of as many as a soup may take in."""

    def __init__(self, config: FitConfig, before: History | None, model: keras.Model) -> None:
        self._monitor = config.monitor
        self._most = config.soup
        self._kept: list[
            tuple[float, int, Weights]
        ] = []  # score, epoch, weights; the best first, of equals the earliest
        if before is not None:
            self.update(before.epochs[before.best_epoch - 1], model)

    @property
    def epoch(self) -> int:
        """The best epoch, from 1; 0: there is none."""
        return self._kept[0][1] if self._kept else 0

    def update(self, values: EpochValues, model: keras.Model) -> None:
        score = self._score(values.val_loss, values.val_accuracy)
        if score > (-math.inf if len(self._kept) < self._most else self._kept[-1][0]):
            kept = [*self._kept, (score, values.epoch, model.get_weights())]
            self._kept = sorted(kept, key=lambda one: -one[0])[: self._most]

    def load_into(self, network: Network, validation: Examples) -> tuple[int, ...]:
        """Give the network the weights of the best epoch, or the soup; return the epochs of a soup."""
        if len(self._kept) == 1:
            network.model.set_weights(self._kept[0][2])
            return ()

        def score_of(weights: Weights) -> float:
            network.model.set_weights(weights)
            logits = network.logits(validation.images, validation.rows)
            return self._score(*loss_and_accuracy(logits, validation.labels))

        soup = greedy_soup([weights for *_, weights in self._kept], score_of)
        network.model.set_weights(soup.weights)
        return tuple(self._kept[place][1] for place in soup.members)

    def _score(self, val_loss: float, val_accuracy: float) -> float:
        return -val_loss if self._monitor == "val/loss" else val_accuracy


def _train_epoch(
    trainer: Trainer,
    ordered: Iterator[object],
    config: FitConfig,
    images: int,
    epoch: int,
    epochs: int,
    learning_rates: NDArray[np.float64],
    on_steps: Callable[[int, int], None],
) -> tuple[float, float]:
    """Run one of all `epochs`; return its mean loss and accuracy over images, measured while the weights changed."""
    before = (epoch - 1) * len(learning_rates)
    total_loss = total_correct = 0.0
    for first in range(0, len(learning_rates), config.steps_per_execution):
        chunk = learning_rates[first : first + config.steps_per_execution]
        loss, correct, finished, finite = trainer(ordered, chunk)
        if not finite:
            _raise_non_finite(config, "training", epoch, before + first + finished, float(chunk[finished - 1]))
        total_loss += loss
        total_correct += correct
        on_steps(before + first + finished, epochs * len(learning_rates))
    return total_loss / images, total_correct / images


def _raise_non_finite(config: FitConfig, which: str, epoch: int, step: int, learning_rate: float) -> None:
    raise NonFiniteLossError(
        f"The {which} loss must stay finite; it became NaN or infinite at step {step} (epoch {epoch}) with a "
        f"learning rate of {learning_rate:g}. Try optimizer.learning_rate={config.set_learning_rate / 10:g}, "
        "schedule=warmup_cosine, or training.precision=float32 if it was bfloat16."
    )
