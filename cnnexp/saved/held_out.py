"""Images that no weight of a saved model was trained on: those that travel with it, or those of its run's data set.

Features of training images would not do to know ordinary images by, because a network knows them too well.
"""

from collections.abc import Callable
from dataclasses import dataclass

from cnnexp.datasets import Splits
from cnnexp.portable.card import REFERENCE_FILE
from cnnexp.portable.classifier import Classifier
from cnnexp.records import Images, Labels
from cnnexp.saved.build_reference import HELD_OUT_ROWS, held_out_images

FEWEST = 100  # a p-value of fewer says too little


@dataclass(frozen=True, kw_only=True, slots=True)
class HeldOut:
    """Where such images come from; they are read when they are asked for."""

    name: str  # for people: "500 images that travel with the model"
    key: str  # differs where the images do
    read: Callable[[], tuple[Images, Labels]]  # (n, H, W, C) as the model takes them, (n,)


def travelling(model: Classifier) -> HeldOut | None:
    """Return the images that travel with a model; None where they are too few."""
    images, labels = model.reference.held_out, model.reference.held_out_labels
    if images is None or labels is None or len(images) < FEWEST:
        return None
    return HeldOut(
        name=f"{len(images)} images that travel with the model and were not trained on",
        key=model.card.files[REFERENCE_FILE],
        read=lambda: (images, labels),
    )


def of_run(model: Classifier, splits: Callable[[], Splits]) -> HeldOut:
    """Return the calibration and validation images of the data set that a model was trained on; never test images.

    `splits` reads that data set, and fails where it is another one: the digest of the card is its key.
    """

    def read() -> tuple[Images, Labels]:
        found = splits()
        return held_out_images(found.calibration, found.validation, most=HELD_OUT_ROWS)

    return HeldOut(
        name="calibration and validation images of its run's data set",
        key=f"{model.card.data['digest']} {model.card.image}",
        read=read,
    )


def too_few(model: Classifier) -> str:
    """Say that too few images travel with a model."""
    count = 0 if model.reference.held_out is None else len(model.reference.held_out)
    return (
        f"Preprocessing mismatches were not looked for: that takes {FEWEST} images that the model was not trained on, "
        f"and {count} travel with it{'; fewer do the larger they are' if count else ''}."
    )
