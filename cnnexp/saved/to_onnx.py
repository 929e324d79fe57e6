"""A model as an ONNX file, for runtimes other than TensorFlow."""

import contextlib
import io
import warnings
from pathlib import Path
from typing import Any

import keras
import numpy as np

from cnnexp.errors import ModelError
from cnnexp.models import with_fast_layers
from cnnexp.portable.card import Card
from cnnexp.records import Images, Probabilities
from cnnexp.saved.conversion import require_recorded_answers
from cnnexp.system.text import one_line

ONNX_FILE = "model.onnx"


def write_onnx(folder: Path, model: keras.Model, card: Card) -> None:
    """Write ``model.onnx`` and replay the golden samples with it: a failed conversion reports success, too.

    Raises:
        ModelError: it cannot be converted, or answers differently.

    """
    import onnxruntime

    try:
        _convert(folder / ONNX_FILE, _without_xla(model), card)
        session = onnxruntime.InferenceSession(str(folder / ONNX_FILE), providers=["CPUExecutionProvider"])
    except Exception as error:  # what both raise for an operation that they lack has no common base
        raise ModelError(
            f"{ONNX_FILE} may only have operations of ONNX; this model cannot be converted: {one_line(error)[:300]} "
            "Export it without --onnx."
        ) from error
    (source,) = session.get_inputs()

    def predict(pixels: Images) -> Probabilities:
        probabilities: Probabilities = session.run(None, {source.name: pixels})[0]
        return probabilities

    require_recorded_answers(ONNX_FILE, card, predict)


def _convert(file: Path, model: keras.Model, card: Card) -> None:
    _teach_erfc()
    model.predict_on_batch(np.zeros((1, *card.image.shape), np.uint8))  # otherwise the export finds no function
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # Keras tests whether NumPy has np.object
        model.export(file, format="onnx", verbose=False)


def _without_xla(model: keras.Model) -> keras.Model:
    """Return a model whose convolutions in groups are operations that ONNX has; Keras compiles them by XLA."""
    has_groups = any(getattr(layer, "groups", 1) != 1 for layer in model.layers)
    return with_fast_layers(model, training=False) if has_groups else model


def _teach_erfc() -> None:
    """Let tf2onnx, up to 1.17 at least, convert the complementary error function, of which GELU is made: 1 - erf."""
    from tf2onnx.handler import tf_op
    from tf2onnx.utils import make_name

    def erfc(graph: Any, node: Any, **_: object) -> None:  # noqa: ANN401 - of tf2onnx, which has no types
        (output,), types, shapes = node.output, [graph.get_dtype(node.output[0])], [graph.get_shape(node.output[0])]
        graph.remove_node(node.name)
        erf = graph.make_node("Erf", node.input, dtypes=types, shapes=shapes)
        one = graph.make_const(make_name("one"), np.array(1, np.float32))
        subtracted = [one.output[0], erf.output[0]]
        graph.make_node("Sub", subtracted, name=node.name, outputs=[output], dtypes=types, shapes=shapes)

    tf_op.register_handler(erfc, 9, ["Erfc"], "", {})
