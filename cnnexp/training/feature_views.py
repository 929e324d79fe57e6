"""Features of a backbone instead of images: of each image as it is, or of several augmented views of it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.augmentation import Batch, augment_batch
from cnnexp.datasets import Split
from cnnexp.records import Augmentation, Labels
from cnnexp.training.network import Network

VIEW_BATCH = 32  # images that are augmented together
VIEW_SEED = 0  # of the augmentation, not the seed of a run: runs of all seeds share one set of features

Features = NDArray[np.float32]  # (N, F)
OnProgress = Callable[[int, int], None]  # (images done, images in all)


@dataclass(frozen=True, slots=True)
class FeatureSplit:
    """Features of one split, to train a head on; the same rows and labels as `Split` has."""

    images: Features  # (views × N, F): of all N images in the first view, then in the second, and so on
    labels: Labels  # (N,)

    @property
    def rows(self) -> NDArray[np.int64]:
        """Where the first view of each image is (N,)."""
        return np.arange(len(self.labels))

    @property
    def views(self) -> int:
        """How many views there are of each image."""
        return len(self.images) // max(1, len(self.labels))

    def __len__(self) -> int:
        return len(self.labels)


def plain_features(network: Network, split: Split, into: Features, on_progress: OnProgress) -> None:
    """Write the features of each image of a split into an array (N, F)."""
    done = 0
    for features in network.features(split.images, split.rows):
        into[done : done + len(features)] = features
        done += len(features)
        on_progress(done, len(into))


def view_features(
    network: Network, train: Split, augmentation: Augmentation, into: Features, on_progress: OnProgress
) -> None:
    """Write the features of augmented views of training images into an array (views × N, F), see `FeatureSplit`."""
    for start in range(0, len(into), VIEW_BATCH):
        places = np.arange(start, min(start + VIEW_BATCH, len(into)))
        batch = Batch(seed=VIEW_SEED, epoch=1, number=start // VIEW_BATCH, count=len(places), positions=places)
        places = places % len(train)
        images, _ = augment_batch(train.images[train.rows[places]], train.labels[places], augmentation, batch)
        features = np.concatenate(list(network.features(images, np.arange(len(images)))))
        into[start : start + len(places)] = features
        on_progress(start + len(places), len(into))
