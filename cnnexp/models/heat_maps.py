"""Where a network looks: heat maps for a class, by HiResCAM where the network allows, else by occlusion."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import keras
import numpy as np
from numpy.typing import NDArray

from cnnexp.models.class_activation import ClassActivation
from cnnexp.models.occlusion import Predict, occlusion_heat


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Which parts of an image speak for a class."""

    values: NDArray[np.float32]  # (H, W) from 0 to 1, the largest is 1; all 0 where nothing speaks for the class
    label: int  # the class, as index
    method: str  # HiResCAM | occlusion


HeatMapper = Callable[[NDArray[np.uint8], NDArray[np.int64]], tuple[HeatMap, ...]]


def heat_mapper(model: keras.Model | None, predict: Predict) -> HeatMapper:
    """Return a function from images (N, H, W, C) uint8 and a class for each, (N,), to a heat map of each.

    Args:
        model: A network in float32, as finished models are; None: gradients are not available.
        predict: The forward pass, for occlusion.

    """
    activation = None if model is None else ClassActivation.of(model)
    heat = partial(occlusion_heat, predict) if activation is None else activation.compiled()
    method = "occlusion" if activation is None else "HiResCAM"

    def heat_maps(pixels: NDArray[np.uint8], labels: NDArray[np.int64]) -> tuple[HeatMap, ...]:
        if not len(pixels):
            return ()
        shares = _of_largest(heat(pixels, labels))
        return tuple(HeatMap(values, int(label), method) for values, label in zip(shares, labels, strict=True))

    return heat_maps


def _of_largest(heat: NDArray[np.float32]) -> NDArray[np.float32]:
    largest = heat.max(axis=(1, 2), keepdims=True)
    shares: NDArray[np.float32] = np.divide(heat, largest, out=np.zeros_like(heat), where=largest > 0)
    return shares
