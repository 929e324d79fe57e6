"""How far a stage of a training has come: all that is no function of its settings, in memory and as it is saved.

Not saved, because they follow from the settings and the number of the step: the order of an epoch, augmentation and
batches, the scheduled learning rates, and the network before its first step.
"""

import random
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from cnnexp.errors import CheckpointError
from cnnexp.records import EpochValues, OutputStatistics
from cnnexp.training.best_weights import BestWeights
from cnnexp.training.saved_state import SavedState
from cnnexp.training.schedules import Plateau
from cnnexp.training.trainer import Trainer


@dataclass(kw_only=True, slots=True)
class Course:
    """A stage that goes on; times are seconds of `time.perf_counter`."""

    best: BestWeights
    plateau: Plateau
    epochs: list[EpochValues]  # finished ones, those of earlier stages first
    outputs: list[OutputStatistics]  # see `History`
    penalties: list[float]
    step: int = 0  # of the epoch that goes on
    loss: float = 0.0  # summed over the images of its finished graph calls, see `fit`
    correct: float = 0.0
    call_loss: float = 0.0  # of the graph call that goes on
    call_correct: float = 0.0
    steps_per_call: int = 1  # that take about a second; not saved
    over: bool = False  # no step follows
    pruned: bool = False
    began: float = field(default_factory=time.perf_counter)  # earlier by what a process before this one took
    epoch_began: float = field(default_factory=time.perf_counter)

    def begin_epoch(self) -> None:
        """Go to the first step of an epoch."""
        self.step, self.epoch_began = 0, time.perf_counter()
        self.loss = self.correct = self.call_loss = self.call_correct = 0.0

    def saved(self, trainer: Trainer) -> SavedState:
        """Return all of it, with the state of the trainer and of random numbers."""
        now = time.perf_counter()
        numbers = {
            "epochs": [asdict(values) for values in self.epochs],
            "outputs": [asdict(statistics) for statistics in self.outputs],
            "penalties": self.penalties,
            "best": self.best.epochs,
            "plateau": [self.plateau.waited, self.plateau.factor],
            "step": self.step,
            "sums": [self.loss, self.correct, self.call_loss, self.call_correct],
            "over": [self.over, self.pruned],
            "seconds": [now - self.began, now - self.epoch_began],
            "random": [random.getstate(), np.random.get_state(legacy=False)],
        }
        arrays = [variable.numpy() for variable in trainer.variables]
        return SavedState(_plain(numbers), [*arrays, *(one for weights in self.best.weights for one in weights)])

    def size(self, trainer: Trainer) -> int:
        """Return about how many bytes of arrays are saved."""
        return sum(one.nbytes for weights in self.best.weights for one in weights) + trainer.size

    def restore(self, saved: SavedState, trainer: Trainer) -> None:
        """Take over what was saved.

        Raises:
            CheckpointError: it is of another network or optimizer.

        """
        arrays, numbers, now = iter(saved.arrays), saved.numbers, time.perf_counter()
        _assign(trainer, arrays, best=len(numbers["best"]), count=len(saved.arrays))
        self.epochs = [EpochValues(**values) for values in numbers["epochs"]]
        self.outputs = [OutputStatistics(**statistics) for statistics in numbers["outputs"]]
        self.penalties = numbers["penalties"]
        self.best.restore(numbers["best"], arrays, trainer.network.model)
        self.plateau.waited, self.plateau.factor = numbers["plateau"]
        self.step = numbers["step"]
        self.loss, self.correct, self.call_loss, self.call_correct = numbers["sums"]
        self.over, self.pruned = numbers["over"]
        self.began, self.epoch_began = (now - seconds for seconds in numbers["seconds"])
        of_python, of_numpy = numbers["random"]
        random.setstate((of_python[0], tuple(of_python[1]), of_python[2]))
        np.random.set_state(of_numpy)


def _assign(trainer: Trainer, arrays: Iterator[NDArray[Any]], *, best: int, count: int) -> None:
    variables = trainer.variables
    values = [next(arrays, np.empty(0)) for _ in variables]
    types = [tf.as_dtype(variable.dtype).as_numpy_dtype for variable in variables]
    fits = all(
        tuple(variable.shape) == value.shape and np.dtype(kind).itemsize == value.itemsize
        for variable, kind, value in zip(variables, types, values, strict=True)
    )
    if not fits or count != len(variables) + best * len(trainer.network.model.weights):
        raise CheckpointError(
            "A training goes on with the network and the optimizer that it had; these have other variables than its "
            "saved state. Undo that, or begin another run: training.resume=never."
        )
    for variable, kind, value in zip(variables, types, values, strict=True):
        variable.assign(value.view(kind))


def _plain(value: Any) -> Any:  # noqa: ANN401 - the state of NumPy's random numbers has arrays
    """Return the same in the types of JSON."""
    match value:
        case dict():
            return {key: _plain(inner) for key, inner in value.items()}
        case list() | tuple():
            return [_plain(inner) for inner in value]
        case np.ndarray() | np.generic():
            return value.tolist()
        case _:
            return value
