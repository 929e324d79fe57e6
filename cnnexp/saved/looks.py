"""Where a saved model looks in images, and where these stand among its training images: for pages."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.models import HeatMap, HeatMapper, heat_mapper
from cnnexp.portable.classifier import Classifier
from cnnexp.portable.reference import appearance
from cnnexp.saved.prediction import Prediction


@dataclass(frozen=True, slots=True)
class Standing:
    """One property of an image, and the same of the training images."""

    name: str
    value: float
    training: NDArray[np.float32]  # (R,) sorted

    @property
    def below(self) -> float:
        """Return the share of training images with a smaller value, half of those with the same included."""
        sides = (np.searchsorted(self.training, self.value, side=side) for side in ("left", "right"))
        return float(sum(sides)) / (2 * len(self.training))


def mapper_of(model: Classifier) -> HeatMapper:
    """Return the function that tells where the model looks."""
    return heat_mapper(model.network, lambda pixels: model.forward(pixels)[0])


def heat_maps(model: Classifier, mapper: HeatMapper, prediction: Prediction, labels: Sequence[str]) -> list[HeatMap]:
    """Return a heat map of an image that was answered for each of some classes."""
    assert prediction.pixels is not None
    places = np.array([model.card.class_names.index(label) for label in labels])
    return list(mapper(np.repeat(prediction.pixels[None], len(places), axis=0), places))


def standings(model: Classifier, pixels: NDArray[np.uint8]) -> list[Standing]:
    """Return where an image (H, W, C) stands among the training images of the model's folder, most extreme first."""
    training = {name: np.sort(values) for name, values in _properties(model.reference.pixels).items()}
    own = _properties(pixels[None])
    found = [Standing(name, float(own[name][0]), values) for name, values in training.items() if len(values)]
    return sorted(found, key=lambda one: -abs(one.below - 0.5))


def _properties(images: NDArray[np.uint8]) -> dict[str, NDArray[np.float32]]:
    """Return simple properties (N,) of images (N, H, W, C), by name."""
    columns = appearance(images).T
    channels, contrast, detail = columns[:-2], columns[-2], columns[-1]
    found = {"brightness": channels.mean(axis=0), "contrast": contrast, "detail": detail}
    return found if len(channels) == 1 else found | {"red against blue": channels[0] - channels[2]}
