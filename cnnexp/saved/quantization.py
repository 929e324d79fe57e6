"""What 8-bit integers cost: the answers of a converted model beside those of the model, on the same test images."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from cnnexp.comparison.paired import Estimate, accuracy_difference, in_points
from cnnexp.datasets import Split, Splits
from cnnexp.errors import ModelError
from cnnexp.portable.classifier import Classifier
from cnnexp.portable.decision import decide
from cnnexp.portable.golden import Predict
from cnnexp.records import Images, Labels
from cnnexp.saved.build_reference import evenly_by_class
from cnnexp.system.text import plural

REPRESENTATIVE = 300  # training images; the guide of the converter advises 100 to 500
TEST_IMAGE = "test image"
SEEN = 2_000  # training images that are answered where there is no test image
_BROKEN = -0.1  # a loss that is beyond doubt larger than this is no rounding
_CHUNK = 128  # images


@dataclass(frozen=True, kw_only=True, slots=True)
class QuantizationLoss:
    """The accuracy that a model loses by 8-bit integers."""

    part: str  # the images, such as "test image"
    images: int
    before: float  # accuracy of the model
    difference: Estimate  # accuracy of the converted model minus that of the model, with a paired 95 % interval
    same: int  # images with the same answer

    @property
    def sentence(self) -> str:
        """What a person reads about it."""
        seen = "" if self.part == TEST_IMAGE else " The model has seen all images; on new ones it may lose more."
        return (
            f"{in_points(self.difference)} against {self.before:.3f} on {plural(self.images, self.part)}; "
            f"the same answer for {self.same:,} of them.{seen}"
        )


def representative_images(splits: Splits) -> Images:
    """Return training images (N, H, W, C), of every class its share."""
    train = splits.train
    return train.images[train.rows[evenly_by_class(train.labels, REPRESENTATIVE)]]


def measure_loss(model: Classifier, converted: Predict, splits: Splits) -> QuantizationLoss:
    """Let both answer the test images, by the card's decision; training images where the model has seen all.

    Raises:
        ModelError: the converted model loses more than ten points of accuracy beyond doubt, or gives no probabilities.

    """
    split, part = _judged(splits)
    before, after = _answers(model, converted, split)
    was, now = before == split.labels, after == split.labels
    loss = QuantizationLoss(
        part=part,
        images=len(split),
        before=float(was.mean()),
        difference=accuracy_difference(int((now & ~was).sum()), int((was & ~now).sum()), len(split)),
        same=int((before == after).sum()),
    )
    if loss.difference.high is not None and loss.difference.high < _BROKEN:
        raise ModelError(f"8 bits are too few for this model: {loss.sentence} Export it as floats: --tflite.")
    return loss


def _answers(model: Classifier, converted: Predict, split: Split) -> tuple[Labels, Labels]:
    """Return the answers (N,) of the model and of the converted one.

    Raises:
        ModelError: a probability is no number.

    """
    chunks = [split.rows[start : start + _CHUNK] for start in range(0, len(split), _CHUNK)]
    before = np.concatenate([model.forward(split.images[rows])[0] for rows in chunks])
    after = np.concatenate([converted(split.images[rows]) for rows in chunks])
    if not np.isfinite(after).all():
        raise ModelError("8 bits are too few for this model: it gives no probabilities then. Export floats: --tflite.")
    names, decision = model.card.class_names, model.card.decision
    return decide(before, names, decision), decide(after, names, decision)


def _judged(splits: Splits) -> tuple[Split, str]:
    """Return the test split and what an image of it is called; of a model that has seen all images, training images."""
    if len(splits.test):
        return splits.test, TEST_IMAGE
    some = evenly_by_class(splits.train.labels, SEEN)
    train = splits.train
    files = tuple(train.files[place] for place in some.tolist())
    return dataclasses.replace(train, rows=train.rows[some], labels=train.labels[some], files=files), "training image"
