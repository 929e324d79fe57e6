"""The training loop: epochs of steps, each validated, until enough; the best weights are kept."""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnexp.errors import CheckpointError, NonFiniteLossError
from cnnexp.evaluation import output_statistics
from cnnexp.records import Augmentation, EpochValues, History, Labels
from cnnexp.system.text import plural
from cnnexp.training.batches import Examples, batches, plans
from cnnexp.training.best_weights import BestWeights
from cnnexp.training.checkpoint import NOT_SAVED, Checkpoint
from cnnexp.training.course import Course
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
    epochs_after: int = 0  # of the stages that follow
    on_device: bool = False  # the training images are kept in the memory of the device
    stage: str = "rest"  # its name in the checkpoint
    # At most so many steps in one graph call; between two calls Python handles Ctrl-C and the progress display.
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
    checkpoint: Checkpoint = NOT_SAVED,
) -> History:
    """Train a network in place; it ends with the weights of its best epoch by `config.monitor`, or of its last.

    With `config.soup` it ends with a greedy soup of its best epochs.

    `on_epoch` gets each epoch's values and returns whether to prune the run: to stop it here, unless this was its last
    epoch anyway. `on_steps` gets (steps done, steps in all) after every graph call.

    `before` is the history of an earlier stage, which the network has the weights of: its epochs are counted, and the
    best epoch may be one of them.

    Where the checkpoint has a state of this stage, training goes on from there, to the same bits; the network is to be
    the one that it began with. `on_epoch` gets the epochs that are done again, whatever it answers.

    Raises:
        NonFiniteLossError: at the first step whose loss is not finite.
        CheckpointError: the state in the checkpoint is of another training.
        KeyboardInterrupt: Ctrl-C; by then the state is saved.

    """
    network = trainer.network
    epochs, steps_per_epoch = config.learning_rates.shape
    earlier = 0 if before is None else len(before.epochs)
    final = earlier + epochs + config.epochs_after
    untrained = network.logits(validation.images, validation.rows)
    course = Course(
        best=_best_before(config, before, network.model),
        plateau=config.plateau,
        epochs=[] if before is None else list(before.epochs),
        outputs=[output_statistics(untrained, untrained=untrained)],
        penalties=[network.penalty()],
    )
    if (saved := checkpoint.load(config.stage)) is not None:
        course.restore(saved, trainer)
        if not course.over or config.epochs_after == 0:
            checkpoint.note(f"Its saved state is used: {plural(len(course.epochs), 'epoch is', 'epochs are')} done.")
        for values in course.epochs[earlier:]:
            on_epoch(values)
    if checkpoint.finish:
        _require_epoch(course)
        course.over = True
    first_step = (len(course.epochs) - earlier) * steps_per_epoch + course.step
    ordered = iter(_batches(config, train, first_step=first_step))
    state, size = partial(course.saved, trainer), partial(course.size, trainer)
    with ExitStack() as stack:
        if config.on_device:
            stack.enter_context(trainer.holding(train, config.augmentation))
        if not course.over:
            trainer.trace()  # Ctrl-C does not wait for that
        stack.enter_context(checkpoint.stopping_after_step())
        while not course.over:
            epoch = len(course.epochs) + 1
            learning_rates = config.learning_rates[epoch - earlier - 1] * config.plateau.factor
            for done in _steps(trainer, ordered, config, course, learning_rates):
                on_steps((epoch - 1) * steps_per_epoch + done, final * steps_per_epoch)
                checkpoint.stop_if_asked(config.stage, state)
                checkpoint.save_if_due(config.stage, state, size, epoch_ended=False)
            with checkpoint.saved_if_stopped(config.stage, state), trainer.averaged():
                logits = network.logits(validation.images, validation.rows, on_batch=checkpoint.raise_if_asked)
                values = _values_of_epoch(course, logits, train, validation, float(learning_rates[-1]))
                course.best.update(values, network.model)
                course.penalties.append(network.penalty())
            course.epochs.append(values)
            course.plateau.step(improved=course.best.epoch == epoch)
            prune = on_epoch(values)
            if not math.isfinite(values.val_loss):
                _raise_non_finite(config, "validation", epoch, epoch * steps_per_epoch, values.learning_rate)
            course.outputs.append(output_statistics(logits, untrained=untrained))
            course.begin_epoch()
            course.pruned = prune and epoch < final
            course.over = course.pruned or epoch == earlier + epochs or _is_enough(config, course, earlier)
            checkpoint.save_if_due(config.stage, state, size, epoch_ended=True)
        checkpoint.stop_if_asked(config.stage, state)
    trainer.keep_average()
    soup = _load_best(course.best, network, validation) if config.keep == "best" else ()
    return History(
        epochs=tuple(course.epochs),
        best_epoch=course.best.epoch,
        stopped_early=len(course.epochs) < final,
        steps=len(course.epochs) * steps_per_epoch,
        seconds=time.perf_counter() - course.began + (0.0 if before is None else before.seconds),
        pruned=course.pruned,
        outputs=tuple(course.outputs),
        penalties=tuple(course.penalties) if any(course.penalties) else (),
        head_epochs=earlier,
        soup=soup,
    )


def _batches(config: FitConfig, train: Examples, *, first_step: int) -> tf.data.Dataset:
    made = plans if config.on_device else batches
    return made(
        train,
        batch_size=config.batch_size,
        epochs=len(config.learning_rates),
        sampling=config.sampling,
        augmentation=config.augmentation,
        seed=config.seed,
        first_step=first_step,
    )


def _values_of_epoch(
    course: Course, logits: NDArray[np.float32], train: Examples, validation: Examples, learning_rate: float
) -> EpochValues:
    """Return the values of the epoch whose steps are made."""
    val_loss, val_accuracy = loss_and_accuracy(logits, validation.labels)
    return EpochValues(
        epoch=len(course.epochs) + 1,
        train_loss=course.loss / len(train),
        train_accuracy=course.correct / len(train),
        val_loss=val_loss,
        val_accuracy=val_accuracy,
        learning_rate=learning_rate,
        seconds=time.perf_counter() - course.epoch_began,
    )


def _is_enough(config: FitConfig, course: Course, earlier: int) -> bool:
    """Return whether this stage has not improved for `config.patience` epochs."""
    waited = len(course.epochs) - max(course.best.epoch, earlier)
    return config.patience is not None and waited >= config.patience


def _best_before(config: FitConfig, before: History | None, model: keras.Model) -> BestWeights:
    """Return the weights of the best epoch before this stage, if there is one: those that the network has."""
    best = BestWeights(monitor=config.monitor, most=config.soup)
    if before is not None:
        best.update(before.epochs[before.best_epoch - 1], model)
    return best


def _require_epoch(course: Course) -> None:
    """Refuse to judge a network of which no epoch has ended."""
    if not course.epochs:
        raise CheckpointError(
            "--finish judges the best epoch so far, and none has ended yet. Leave it out: the run goes on."
        )


def loss_and_accuracy(logits: NDArray[np.float32], labels: Labels) -> tuple[float, float]:
    """Return mean cross-entropy in nats and accuracy, 0..1; logits are (N, K), labels (N,)."""
    shifted = logits.astype(np.float64) - logits.max(axis=1, keepdims=True)
    log_sum = np.log(np.exp(shifted).sum(axis=1))
    losses = log_sum - shifted[np.arange(len(labels)), labels]
    return float(losses.mean()), float((logits.argmax(axis=1) == labels).mean())


def _load_best(best: BestWeights, network: Network, validation: Examples) -> tuple[int, ...]:
    """Give the network the weights of the best epoch, or the soup; return the epochs of a soup."""
    if len(best.weights) == 1:
        network.model.set_weights(best.weights[0])
        return ()

    def score_of(weights: Weights) -> float:
        network.model.set_weights(weights)
        logits = network.logits(validation.images, validation.rows)
        return best.score(*loss_and_accuracy(logits, validation.labels))

    soup = greedy_soup(best.weights, score_of)
    network.model.set_weights(soup.weights)
    return tuple(best.epochs[place][1] for place in soup.members)


def _steps(
    trainer: Trainer, ordered: Iterator[object], config: FitConfig, course: Course, learning_rates: NDArray[np.float64]
) -> Iterator[int]:
    """Make the steps that are left of an epoch; yield how many are done after every graph call.

    A call makes so many steps as take about a second. The sums of `config.steps_per_execution` steps are in float32,
    however many calls make them: where calls end changes no bit.
    """
    before = len(course.epochs) * len(learning_rates)
    while course.step < len(learning_rates):
        left = config.steps_per_execution - course.step % config.steps_per_execution
        chunk = learning_rates[course.step : course.step + min(left, course.steps_per_call)]
        began = time.perf_counter()
        course.call_loss, course.call_correct, made, finite = trainer(
            ordered, chunk, loss=course.call_loss, correct=course.call_correct
        )
        course.steps_per_call = max(1, int(made / (time.perf_counter() - began)))
        course.step += made
        if not finite:
            _raise_non_finite(config, "training", len(course.epochs) + 1, before + course.step, float(chunk[made - 1]))
        if course.step % config.steps_per_execution == 0 or course.step == len(learning_rates):
            course.loss, course.correct = course.loss + course.call_loss, course.correct + course.call_correct
            course.call_loss = course.call_correct = 0.0
        yield course.step


def _raise_non_finite(config: FitConfig, which: str, epoch: int, step: int, learning_rate: float) -> None:
    raise NonFiniteLossError(
        f"The {which} loss must stay finite; it became NaN or infinite at step {step} (epoch {epoch}) with a "
        f"learning rate of {learning_rate:g}. Try optimizer.learning_rate={config.set_learning_rate / 10:g}, "
        "schedule=warmup_cosine, or training.precision=float32 if it was bfloat16."
    )
