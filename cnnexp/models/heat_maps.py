"""Where a network looks: heat maps for a class, by HiResCAM where the network allows, else by occlusion."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnexp.models.occlusion import Predict, occlusion_heat

if TYPE_CHECKING:
    import keras

HIRESCAM, OCCLUSION = "HiResCAM", "occlusion"


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Which parts of an image speak for a class."""

    values: NDArray[np.float32]  # (H, W) from 0 to 1, the largest is 1; all 0 where nothing speaks for the class
    label: int  # the class, as index
    method: str  # HiResCAM | occlusion


@dataclass(frozen=True, slots=True)
class HeatMapper:
    """Tells where one network looks."""

    method: str  # HiResCAM, which costs about as much as the answer, or occlusion, which costs some eighty times that
    heat: Callable[[NDArray[np.uint8], NDArray[np.int64]], NDArray[np.float32]]  # not yet from 0 to 1

    def __call__(self, pixels: NDArray[np.uint8], labels: NDArray[np.int64]) -> tuple[HeatMap, ...]:
        """Return a heat map of each of the images (N, H, W, C) for the class of each, (N,)."""
        if not len(pixels):
            return ()
        shares = _of_largest(self.heat(pixels, labels))
        return tuple(HeatMap(values, int(label), self.method) for values, label in zip(shares, labels, strict=True))


def heat_mapper(model: "keras.Model | None", predict: Predict) -> HeatMapper:
    """Return what tells where a network looks.

    Args:
        model: The network, in float32, as finished models are; None: gradients are not available.
        predict: Its forward pass, for occlusion.

    """
    by_occlusion = HeatMapper(OCCLUSION, partial(occlusion_heat, predict))
    if model is None:
        return by_occlusion
    from cnnexp.models.class_activation import ClassActivation  # TensorFlow takes seconds

    activation = ClassActivation.of(model)
    if activation is None:
        return by_occlusion
    return HeatMapper(HIRESCAM, activation.compiled())


def _of_largest(heat: NDArray[np.float32]) -> NDArray[np.float32]:
    largest = heat.max(axis=(1, 2), keepdims=True)
    shares: NDArray[np.float32] = np.divide(heat, largest, out=np.zeros_like(heat), where=largest > 0)
    return shares
