"""Probabilities from a model, and the one form in which a model is kept: float32, uint8 in, calibrated."""

import math
import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from cnnexp.models import LOGITS
from cnnexp.portable.forward import traced
from cnnexp.records import Images, Probabilities

BATCH_VALUES = 2**22  # pixels in one inference batch: large enough to be fast, small enough for any memory


def compiled(model: keras.Model) -> Callable[[Images, NDArray[np.int64]], NDArray[np.float32]]:
    """Return a function from images (M, H, W, C) uint8 and the rows wanted (N,) to outputs (N, K) float32.

    The forward pass that travels with saved models, in batches; rows are answered in their order.
    """
    forward = traced(model)
    size = int(np.clip(BATCH_VALUES // math.prod(model.input_shape[1:]), 8, 512))

    def outputs(images: Images, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        batches = [forward(images[rows[start : start + size]]).numpy() for start in range(0, len(rows), size)]
        return np.concatenate(batches) if batches else np.zeros((0, model.output_shape[-1]), np.float32)

    return outputs


def predict(model: keras.Model, images: Images) -> Probabilities:
    """Return the probabilities (N, K) of images (N, H, W, C), in their order."""
    return compiled(model)(images, np.arange(len(images)))


def with_logits(model: keras.Model) -> keras.Model:
    """Return the same model, weights shared, up to its logits."""
    return keras.Model(model.input, model.get_layer(LOGITS).output)


def fold_temperature(model: keras.Model, temperature: float) -> None:
    """Divide the logits by `temperature` (Guo et al. 2017, arXiv:1706.04599) by changing the last layer's weights."""
    layer = model.get_layer(LOGITS)
    layer.set_weights([weights / temperature for weights in layer.get_weights()])


def to_bytes(model: keras.Model) -> bytes:
    """Return the model as the contents of a ``.keras`` file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return path.read_bytes()
