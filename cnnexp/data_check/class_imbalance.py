"""Classes with few training images, and classes of very different sizes."""

from collections.abc import Iterator

import numpy as np

from cnnexp.data_check.checked_dataset import CheckedDataset
from cnnexp.records import DataIssue
from cnnexp.system.text import listed, plural


def few_images(dataset: CheckedDataset, least: int) -> Iterator[DataIssue]:
    """Report classes with fewer than `least` training images."""
    counts = dataset.counts("train")
    names = [f"{dataset.class_names[k]} ({counts[k]:,})" for k in np.flatnonzero((counts > 0) & (counts < least))]
    if names:
        yield DataIssue(
            id="D5",
            title="few images",
            sentence=f"{plural(len(names), 'class')} with fewer than {least:,} training images: {listed(names)}.",
            stops=False,
            evidence={"classes": len(names), "fewest": int(counts[counts > 0].min()), "data.few_images": least},
            groups=(),
            repair="collect more of them, or augment",
        )


def class_imbalance(dataset: CheckedDataset, uneven: float, *, balanced: bool) -> Iterator[DataIssue]:
    """Report a largest class of at least `uneven` times the training images of the smallest.

    `balanced`: training counts the classes alike already, by weight or by sampling.
    """
    counts = dataset.counts("train")
    present = np.flatnonzero(counts)
    if not len(present):
        return
    most, fewest = present[counts[present].argmax()], present[counts[present].argmin()]
    ratio = counts[most] / counts[fewest]
    if ratio >= uneven:
        yield DataIssue(
            id="E1",
            title="imbalance",
            sentence=f"The largest class, {dataset.class_names[most]} ({counts[most]:,} training images), has "
            f"{ratio:.3g} times those of the smallest, {dataset.class_names[fewest]} ({counts[fewest]:,}): accuracy "
            "hides how the small ones do.",
            stops=False,
            evidence={"ratio": float(ratio), "data.uneven": uneven},
            groups=(),
            repair=(
                "judge by test/balanced_accuracy and test/macro_f1: training counts the classes alike already"
                if balanced
                else "training.class_weight=balanced"
            ),
        )
