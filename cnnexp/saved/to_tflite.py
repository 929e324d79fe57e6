"""A model as a TensorFlow Lite file, which LiteRT runs on phones and other small devices.

The file takes one image at a time: accelerators of phones need shapes that are known, and Flatten would otherwise
become four operations that some of them lack. Whoever has more images calls it for each.
"""

import re
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from cnnexp.errors import ModelError
from cnnexp.images.quiet import without_stderr
from cnnexp.models.names import PROBABILITIES, RAW
from cnnexp.records import Images, Probabilities
from cnnexp.system.text import one_line

TFLITE_FILE = "model.tflite"
_UNQUANTIZED = ("SOFTMAX",)  # in 8 bits a probability would be a multiple of 1/256, and most of them 0


class TFLiteModel:
    """A converted model in use, on one thread."""

    def __init__(self, content: bytes) -> None:
        with _quiet():
            self._interpreter = tf.lite.Interpreter(model_content=content)
            self._interpreter.allocate_tensors()
        (self._input,) = self._interpreter.get_input_details()
        (self._output,) = self._interpreter.get_output_details()

    def predict(self, pixels: Images) -> Probabilities:
        """Return the probabilities (N, K) of images (N, H, W, C), one after the other."""
        return np.stack([self._predict_one(image) for image in pixels])

    def _predict_one(self, image: Images) -> Probabilities:
        self._interpreter.set_tensor(self._input["index"], image[None])
        self._interpreter.invoke()
        probabilities: Probabilities = self._interpreter.get_tensor(self._output["index"])[0]
        return probabilities


def to_tflite(model: keras.Model, *, representative: Images | None) -> bytes:
    """Convert a model: uint8 (1, H, W, C) in, float32 probabilities (1, K) out.

    Args:
        model: takes uint8 (N, H, W, C).
        representative: training images (N, H, W, C); the ranges of all values between the layers are taken from them,
            and weights and arithmetic become 8-bit integers (the full integer quantization of Jacob et al. 2018,
            arXiv:1712.05877), but for the softmax. None: everything stays float32.

    Raises:
        ModelError: TensorFlow Lite lacks an operation of the model.

    """
    try:
        with tempfile.TemporaryDirectory() as folder, _quiet():
            converter = _converter(model, folder)
            return _converted(converter) if representative is None else _quantized(converter, representative)
    except Exception as error:  # what the converter, and a layer that is traced for it, raises has no common base
        raise ModelError(
            f"{TFLITE_FILE} may only have operations of TensorFlow Lite itself, because phones lack those of "
            f"TensorFlow (Flex); this model cannot be converted: {_reason(error)} Export it without --tflite."
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Drop what the converter prints, which its errors have, too, and what is said whenever an interpreter is made."""
    with without_stderr(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*tf.lite.Interpreter is deprecated", category=UserWarning)
        yield


def _converter(model: keras.Model, folder: str) -> Any:  # noqa: ANN401 - TensorFlow has no types
    shape = (1, *model.input_shape[1:])
    archive = keras.export.ExportArchive()  # it also finds the variables, which are missing in a bare tf.function
    archive.track(model)
    signature = [tf.TensorSpec(shape, "uint8", name=RAW)]
    archive.add_endpoint("serve", lambda pixels: {PROBABILITIES: model(pixels, training=False)}, signature)
    archive.write_out(folder, verbose=False)
    converter = tf.lite.TFLiteConverter.from_saved_model(folder)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    return converter


def _converted(converter: Any) -> bytes:  # noqa: ANN401
    content: bytes = converter.convert()
    return content


def _quantized(converter: Any, representative: Images) -> bytes:  # noqa: ANN401
    def images() -> Any:  # noqa: ANN401
        for image in representative:
            yield [image[None]]

    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = images
    options = tf.lite.experimental.QuantizationDebugOptions(denylisted_ops=list(_UNQUANTIZED))
    debugger = tf.lite.experimental.QuantizationDebugger(
        converter=converter, debug_dataset=images, debug_options=options
    )
    content: bytes = debugger.get_nondebug_quantized_model()
    return content


def _reason(error: Exception) -> str:
    """Return the operations that are missing, where the converter names them, or the beginning of its message."""
    message = one_line(error)
    missing = sorted(set(re.findall(r"'tf\.(\w+)' op is neither a custom op nor a flex op", message)))
    return f"it has {', '.join(missing)}." if missing else f"{message[:300]}."
