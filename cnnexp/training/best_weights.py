"""The weights of the best epochs so far: of one, or of as many as a soup may take in."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import keras
import tensorflow as tf
from numpy.typing import NDArray

from cnnexp.records import EpochValues
from cnnexp.training.soup import Weights


class BestWeights:
    """The weights of so many best epochs by a metric, `most` of them."""

    def __init__(self, *, monitor: str, most: int) -> None:
        """Keep none yet; `monitor` is val/loss or val/accuracy."""
        self._monitor = monitor
        self._most = most
        # Score, epoch, weights; the best first, of equals the earliest.
        self._kept: list[tuple[float, int, Weights]] = []

    @property
    def epoch(self) -> int:
        """The best epoch, from 1; 0: there is none."""
        return self._kept[0][1] if self._kept else 0

    def update(self, values: EpochValues, model: keras.Model) -> None:
        """Keep the weights of an epoch, if it is among the best."""
        score = self.score(values.val_loss, values.val_accuracy)
        if score > (-math.inf if len(self._kept) < self._most else self._kept[-1][0]):
            kept = [*self._kept, (score, values.epoch, model.get_weights())]
            self._kept = sorted(kept, key=lambda one: -one[0])[: self._most]

    def score(self, val_loss: float, val_accuracy: float) -> float:
        """Return what is higher for a better epoch."""
        return -val_loss if self._monitor == "val/loss" else val_accuracy

    @property
    def weights(self) -> list[Weights]:
        """Those of all that are kept, the best first."""
        return [weights for *_, weights in self._kept]

    @property
    def epochs(self) -> list[tuple[float, int]]:
        """Score and number of each epoch that is kept, the best first."""
        return [(score, epoch) for score, epoch, _ in self._kept]

    def restore(self, epochs: Sequence[tuple[float, int]], arrays: Iterator[NDArray[Any]], model: keras.Model) -> None:
        """Keep what `epochs` and `weights` were; the arrays of all weights follow one another."""
        types = [tf.as_dtype(weight.dtype).as_numpy_dtype for weight in model.weights]
        self._kept = [(score, epoch, [next(arrays).view(kind) for kind in types]) for score, epoch in epochs]
