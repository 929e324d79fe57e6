"""A model as an ONNX file, for runtimes other than TensorFlow."""

import contextlib
import io
import warnings
from pathlib import Path

import keras
import numpy as np

from cnnexp.portable.card import Card
from cnnexp.records import Images, Probabilities
from cnnexp.saved.conversion import require_recorded_answers

ONNX_FILE = "model.onnx"


def write_onnx(folder: Path, model: keras.Model, card: Card) -> None:
    """Write ``model.onnx`` and replay the golden samples with it: a failed conversion reports success, too.

    Raises:
        ModelError: it answers differently.

    """
    model.predict_on_batch(np.zeros((1, *card.image.shape), np.uint8))  # otherwise the export finds no function
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # Keras tests whether NumPy has np.object
        model.export(folder / ONNX_FILE, format="onnx", verbose=False)
    import onnxruntime

    session = onnxruntime.InferenceSession(str(folder / ONNX_FILE), providers=["CPUExecutionProvider"])
    (source,) = session.get_inputs()

    def predict(pixels: Images) -> Probabilities:
        probabilities: Probabilities = session.run(None, {source.name: pixels})[0]
        return probabilities

    require_recorded_answers(ONNX_FILE, card, predict)
