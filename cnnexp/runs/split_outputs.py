"""What a trained network computes of the images of each split: by running it, or of features that are cached."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets import Splits
from cnnexp.portable.reference import normalized
from cnnexp.training import Network

Logits = NDArray[np.float32]  # (N, K)
Features = NDArray[np.float32]  # (N, F), rows of length 1
Positions = NDArray[np.int64]  # of images in their split


class SplitOutputs(Protocol):
    """Computes logits and features; the ways to do so agree up to rounding."""

    def logits(self, split: str) -> Logits:
        """Return the logits (N, K) of all images of a split, in their order."""

    def features(self, split: str, positions: Positions) -> Features:
        """Return the normalized features (n, F) of some of them."""


@dataclass(frozen=True, slots=True)
class OutputsOfImages:
    """Runs the whole network on images."""

    network: Network
    splits: Splits

    def logits(self, split: str) -> Logits:
        """See `SplitOutputs`."""
        return self.network.logits(self.splits[split].images, self.splits[split].rows)

    def features(self, split: str, positions: Positions) -> Features:
        """See `SplitOutputs`."""
        own = self.splits[split]
        chunks = [normalized(chunk) for chunk in self.network.features(own.images, own.rows[positions])]
        return np.concatenate(chunks) if chunks else np.empty((0, 1), np.float32)


@dataclass(frozen=True, slots=True)
class OutputsOfFeatures:
    """Runs the head alone, on features of the backbone that it was trained with."""

    head: Network
    cached: Callable[[str], NDArray[np.float32]]  # (N, F) by the name of a split

    def logits(self, split: str) -> Logits:
        """See `SplitOutputs`."""
        features = self.cached(split)
        return self.head.logits(features, np.arange(len(features)))

    def features(self, split: str, positions: Positions) -> Features:
        """See `SplitOutputs`."""
        return normalized(self.cached(split)[positions])
