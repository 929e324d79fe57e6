"""Training images and what augmentation makes of them, without training and without TensorFlow."""

import numpy as np
from numpy.typing import NDArray

from cnnexp.augmentation import Batch, augment_batch
from cnnexp.datasets import Split, Splits
from cnnexp.records import Augmentation, Preview

EPOCHS = 3  # of each kind, where a page shows nothing else
MOST_BYTES = 2**24  # of all images that are shown in one epoch


def build_preview(
    splits: Splits, augmentation: Augmentation, *, images: int, seed: int, epochs: int = EPOCHS
) -> Preview:
    """Return some training images plain, with each kind of change alone, and with all together.

    They are one batch, so images that are mixed are mixed with each other; what is drawn follows from `seed`.
    """
    train = splits.train
    images = min(images, max(2, MOST_BYTES // train.images[0].nbytes))
    positions = of_all_classes(train, images)
    larger = train.to_crop.images[train.rows[positions]]
    plain, labels = train.images[train.rows[positions]], train.labels[positions]

    def in_epochs(change: Augmentation) -> NDArray[np.uint8]:
        count = len(positions)
        batches = [
            Batch(seed=seed, epoch=epoch, number=0, count=count, positions=positions) for epoch in range(1, epochs + 1)
        ]
        return np.stack([augment_batch(larger, labels, change, batch)[0] for batch in batches])

    return Preview(
        plain=plain,
        class_names=tuple(splits.class_names[label] for label in labels.tolist()),
        files=tuple(train.files[position] for position in positions.tolist()),
        augmentation=augmentation,
        alone=tuple((name, in_epochs(kind)) for name, kind in augmentation.kinds.items()),
        together=in_epochs(augmentation) if augmentation else None,
    )


def of_all_classes(train: Split, count: int) -> NDArray[np.int64]:
    """Return the positions of `count` training images at most: the first of each class, then the second, in turn."""
    order = np.argsort(train.labels, kind="stable")
    sizes = np.bincount(train.labels)
    turn = np.concatenate([np.arange(size) for size in sizes.tolist()])  # of each image among those of its class
    chosen = order[np.argsort(turn, kind="stable")][:count]
    return chosen[np.argsort(train.labels[chosen], kind="stable")]
