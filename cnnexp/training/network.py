"""A model and its forward pass, and the one form in which a model is kept: float32, uint8 in, calibrated."""

import math
import tempfile
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from cnnexp.models import LOGITS
from cnnexp.portable.forward import Forward, forward_by, traced
from cnnexp.records import Images

BATCH_VALUES = 2**22  # pixels in one inference batch: large enough to be fast, small enough for any memory


class Network:
    """A model and the one graph of its forward pass, which is traced when it is first asked.

    It is asked about rows (N,) of images (M, H, W, C) uint8, and answers in their order.
    """

    def __init__(self, model: keras.Model) -> None:
        self.model = model
        self._asked = traced(model)
        self._size = int(np.clip(BATCH_VALUES // math.prod(model.input_shape[1:]), 8, 512))

    @property
    def form(self) -> str:
        """What the graph depends on; see `traces`."""
        return str(self.model.to_json())

    def take(self, other: "Network") -> None:
        """Become `other`, whose form is the same: its weights, and the state of its random numbers."""
        for mine, theirs in zip(self.model.variables, other.model.variables, strict=True):
            mine.assign(theirs)

    @property
    def forward(self) -> Forward:
        """The same pass as it travels with a saved model."""
        return forward_by(self._asked)

    def logits(self, images: Images, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return (N, K) float32, before the softmax."""
        starts = range(0, len(rows), self._size)
        batches = [self._asked(images[rows[start : start + self._size]])[2].numpy() for start in starts]
        return np.concatenate(batches) if batches else np.zeros((0, self.model.output_shape[-1]), np.float32)


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
