"""Features of a backbone instead of images."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets import Split
from cnnexp.records import Labels
from cnnexp.training.network import Network

Features = NDArray[np.float32]  # (N, F)
OnProgress = Callable[[int, int], None]  # (images done, images in all)


@dataclass(frozen=True, slots=True)
class FeatureSplit:
    """Features of one split, to train a head on; the same rows and labels as `Split` has."""

    images: Features  # (N, F)
    labels: Labels  # (N,)

    @property
    def rows(self) -> NDArray[np.int64]:
        """Where the features of each image are (N,)."""
        return np.arange(len(self.labels))

    def __len__(self) -> int:
        return len(self.labels)


def write_features(network: Network, split: Split, into: Features, on_progress: OnProgress) -> None:
    """Write the features of each image of a split into an array (N, F)."""
    done = 0
    for features in network.features(split.images, split.rows):
        into[done : done + len(features)] = features
        done += len(features)
        on_progress(done, len(into))
