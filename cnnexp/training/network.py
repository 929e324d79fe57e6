"""A model with its compiled forward passes, and what makes it a saved model: the temperature folded in, a file."""

import math
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from cnnexp.errors import ModelError
from cnnexp.models import LOGITS, with_fast_layers
from cnnexp.portable.forward import Forward, compiled, forward_by, with_features
from cnnexp.records import Images

ZIP_YEARS = range(1980, 2108)
BATCH_VALUES = 2**22  # values in one inference batch: large enough to be fast, small enough for any memory


class Network:
    """A model and the graphs of its forward pass, in inference mode, each of which is traced at its first call.

    What it computes of many images it computes by fast layers, if it has such: that differs from what the saved model
    answers by rounding alone.
    """

    def __init__(self, model: keras.Model, *, views: int = 1) -> None:
        """Take a model that makes so many `views` of each image, which needs as many times the memory."""
        self.model = model
        as_saved = with_features(model)
        fast = with_fast_layers(as_saved, training=False)
        self._as_saved = compiled(as_saved, dtype=model.inputs[0].dtype)
        self._graph = self._as_saved if fast is as_saved else compiled(fast, dtype=model.inputs[0].dtype)
        self._batch_size = max(1, int(np.clip(BATCH_VALUES // math.prod(model.input_shape[1:]), 8, 512)) // views)

    @property
    def signature(self) -> str:
        """What the graph depends on; see `graph_cache`."""
        return str(self.model.to_json())

    def load_state_from(self, other: "Network") -> None:
        """Take over the weights of `other`, which has the same signature, and the state of its random numbers."""
        for mine, theirs in zip(self.model.variables, other.model.variables, strict=True):
            mine.assign(theirs)

    @property
    def forward(self) -> Forward:
        """The forward pass in the form of a saved model, and with its numbers: probabilities and features."""
        return forward_by(self._as_saved, image_shape=self.model.input_shape[1:])

    def logits(
        self, images: NDArray[Any], rows: NDArray[np.int64], *, on_batch: Callable[[], None] = lambda: None
    ) -> NDArray[np.float32]:
        """Return the logits (N, K) float32 of rows (N,) of images (M, H, W, C) uint8, in the order of the rows.

        The network of a head takes features (M, F) float32 instead of images. `on_batch` is called after each batch,
        and may end it by an exception.
        """
        chunks = []
        for outputs in self._outputs(images, rows):
            chunks.append(outputs[2].numpy())
            on_batch()
        return np.concatenate(chunks) if chunks else np.zeros((0, self.model.output_shape[-1]), np.float32)

    def features(self, images: Images, rows: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
        """Yield what the head gets of rows (N,) of images (M, H, W, C) uint8, in order: chunks (n, F) float32."""
        return (outputs[1].numpy().astype(np.float32) for outputs in self._outputs(images, rows))

    def _outputs(self, images: Images, rows: NDArray[np.int64]) -> Iterator[tuple[Any, Any, Any]]:
        for start in range(0, len(rows), self._batch_size):
            yield self._graph(images[rows[start : start + self._batch_size]])

    def penalty(self) -> float:
        """Return the L1 and L2 terms of the loss at the present weights; 0 without regularization."""
        return float(sum(self.model.losses))


def fold_temperature(model: keras.Model, temperature: float) -> None:
    """Divide the logits by `temperature` (Guo et al. 2017, arXiv:1706.04599), in place, in the last layer's weights."""
    layer = model.get_layer(LOGITS)
    layer.set_weights([weights / temperature for weights in layer.get_weights()])


def require_zip_date() -> None:
    """Refuse to train a model that cannot be saved: its file is a zip archive, which is dated.

    Raises:
        ModelError: the clock of this machine is wrong.

    """
    today = time.localtime()
    if today.tm_year not in ZIP_YEARS:
        raise ModelError(
            f"A model is saved as a zip archive, whose dates are of the years {ZIP_YEARS[0]} to {ZIP_YEARS[-1]}; the "
            f"clock of this machine says {time.strftime('%Y-%m-%d', today)}. Set the clock."
        )


def to_bytes(model: keras.Model) -> bytes:
    """Return the model as the contents of a ``.keras`` file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return path.read_bytes()
