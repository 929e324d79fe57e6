"""Models that cnnexp did not train: a Keras or an ONNX file, what it takes and gives, and its forward pass.

No code of a file is executed: Keras loads it in safe mode, without lambdas, and ONNX files hold none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from cnnexp.errors import ModelError
from cnnexp.models import HeatMapper, heat_mapper
from cnnexp.portable.card import UnfitModelError
from cnnexp.portable.classifier import load_keras
from cnnexp.portable.forward import compiled, with_features
from cnnexp.saved.onnx_packages import READING, require_onnx

if TYPE_CHECKING:
    import keras

_CHUNK = 64  # images at once
_TYPES = {
    "tensor(float)": "float32",
    "tensor(float16)": "float16",
    "tensor(double)": "float64",
    "tensor(uint8)": "uint8",
}
_PASSED = {"Softmax", "LogSoftmax", "Sigmoid", "Identity", "Cast", "Reshape", "Flatten", "Squeeze", "Add"}

Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]  # pixels (N, H, W, C) -> probabilities (N, K)
Run = Callable[[NDArray[Any]], tuple[NDArray[Any], NDArray[Any]]]  # inputs as the model has them -> outputs, features


@dataclass(frozen=True, kw_only=True, slots=True)
class ForeignModel:
    """A model file that says nothing about its preprocessing."""

    path: Path
    kind: str  # Keras | ONNX
    size: tuple[int, int] | None  # (height, width); None: any
    channels: int  # 1 or 3
    channels_first: bool
    dtype: str
    outputs: int  # numbers that it gives for one image
    run: Run
    network: "keras.Model | None"  # None: it has no gradients

    @property
    def classes(self) -> int:
        """How many classes it tells apart: one number stands for two."""
        return max(2, self.outputs)

    @property
    def said(self) -> str:
        """What it takes and gives, in a line."""
        height, width = self.size or ("any", "any")
        shape = (self.channels, height, width) if self.channels_first else (height, width, self.channels)
        first = " (channels first)" if self.channels_first else ""
        given = "1 number, for two classes" if self.outputs == 1 else f"{self.outputs} numbers"
        return f"{self.kind}: takes {self.dtype} {' × '.join(map(str, shape))}{first}, gives {given}"

    def __call__(self, inputs: NDArray[np.float32]) -> tuple[NDArray[Any], NDArray[np.float32]]:
        """Return outputs (N, K) and features (N, F) of inputs (N, H, W, C).

        Raises:
            ModelError: it fails on them.

        """
        arranged = inputs.transpose(0, 3, 1, 2) if self.channels_first else inputs
        if self.dtype.startswith("uint"):
            arranged = np.clip(np.rint(arranged), 0, 255)
        arranged = np.ascontiguousarray(arranged, self.dtype)
        parts = [self.run(arranged[start : start + _CHUNK]) for start in range(0, len(arranged), _CHUNK)]
        outputs, features = (np.concatenate([part[place] for part in parts]) for place in (0, 1))
        return outputs.reshape(len(outputs), -1), features.reshape(len(features), -1).astype(np.float32)

    def heat_mapper(self, prepare: Callable[[NDArray[np.uint8]], NDArray[np.float32]], predict: Predict) -> HeatMapper:
        """Return what tells where it looks; `prepare` makes inputs of pixels, `predict` probabilities of them."""
        if self.network is None or self.channels_first:
            return heat_mapper(None, predict)
        found = heat_mapper(self.network, predict)
        if found.method == heat_mapper(None, predict).method:
            return found
        size = self.size

        def heat(pixels: NDArray[np.uint8], labels: NDArray[np.int64]) -> NDArray[np.float32]:
            inner = found.heat(prepare(pixels), labels)  # type: ignore[arg-type]
            if size is None or inner.shape[1:] == pixels.shape[1:3]:
                return inner
            whole = np.zeros(pixels.shape[:3], np.float32)  # the margin is cut off before the network
            top, left = ((outer - one) // 2 for outer, one in zip(pixels.shape[1:3], size, strict=True))
            whole[:, top : top + size[0], left : left + size[1]] = inner
            return whole

        return HeatMapper(found.method, heat)


def open_foreign(path: Path) -> ForeignModel:
    """Load a model file.

    Raises:
        ModelError: it is damaged, needs code of its own, or is no classifier of images.
        ConfigError: ONNX is not installed.

    """
    return _open_onnx(path) if path.suffix.lower() == ".onnx" else _open_keras(path)


def _open_keras(path: Path) -> ForeignModel:
    try:
        model = load_keras(path)
    except UnfitModelError as error:
        raise ModelError(str(error)) from error
    if len(model.inputs) != 1 or len(model.outputs) != 1:
        raise _unusual(path, f"{len(model.inputs)} inputs and {len(model.outputs)} outputs")
    size, channels, first = _arrangement(path, tuple(model.inputs[0].shape))
    outputs = _count(path, tuple(model.outputs[0].shape))
    dtype = str(model.inputs[0].dtype)
    return ForeignModel(
        path=path,
        kind="Keras",
        size=size,
        channels=channels,
        channels_first=first,
        dtype=dtype,
        outputs=outputs,
        run=_keras_run(path, model, dtype),
        network=model,
    )


def _keras_run(path: Path, model: "keras.Model", dtype: str) -> Run:
    import keras

    try:
        graph = compiled(with_features(model), dtype=dtype)
    except (UnfitModelError, ValueError, AttributeError):  # no dense layer, or one that is called by code
        graph = compiled(keras.Model(model.inputs, [model.outputs[0]] * 3), dtype=dtype)

    def run(inputs: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        try:
            outputs, features, _ = graph(inputs)
        except Exception as error:  # TensorFlow raises what its operations raise
            raise ModelError(f"{path} fails on images {inputs.shape[1:]}: {_first_line(error)}") from error
        return outputs.numpy(), features.numpy()

    return run


def _open_onnx(path: Path) -> ForeignModel:
    require_onnx("An ONNX file", READING)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # errors come as exceptions
    content, of_features = _with_features(path)
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own
        raise ModelError(f"{path} cannot be loaded as an ONNX model: {_first_line(error)}") from error
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) != 1:
        raise _unusual(path, f"{len(inputs)} inputs")
    if inputs[0].type not in _TYPES:
        raise _unusual(path, f"an input of {inputs[0].type}")
    size, channels, first = _arrangement(path, tuple(inputs[0].shape))
    one_by_one = isinstance(inputs[0].shape[0], int)
    names = [outputs[0].name, of_features or outputs[0].name]

    def ask(given: NDArray[Any]) -> list[NDArray[Any]]:
        try:
            found: list[NDArray[Any]] = session.run(names, {inputs[0].name: given})
        except Exception as error:
            raise ModelError(f"{path} fails on images {given.shape[1:]}: {_first_line(error)}") from error
        return found

    def run(given: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        if not one_by_one:
            found = ask(given)
        else:
            each = [ask(given[place : place + 1]) for place in range(len(given))]
            found = [np.concatenate([one[place] for one in each]) for place in (0, 1)]
        return found[0], found[1]

    return ForeignModel(
        path=path,
        kind="ONNX",
        size=size,
        channels=channels,
        channels_first=first,
        dtype=_TYPES[inputs[0].type],
        outputs=_count(path, tuple(outputs[0].shape)),
        run=run,
        network=None,
    )


def _with_features(path: Path) -> tuple[bytes, str | None]:
    """Return the file, with the input of its last dense layer as a further output; its name, None: it has none."""
    import onnx

    try:
        model = onnx.load(str(path))
    except Exception as error:  # protobuf raises classes of its own
        raise ModelError(f"{path} cannot be loaded as an ONNX model: {_first_line(error)}") from error
    makers = {name: node for node in model.graph.node for name in node.output}
    constants = {one.name for one in model.graph.initializer}
    name = model.graph.output[0].name if model.graph.output else ""
    while (node := makers.get(name)) is not None:
        given = [one for one in node.input if one not in constants and one in makers]
        if node.op_type in ("Gemm", "MatMul"):
            if given:
                model.graph.output.append(onnx.helper.make_empty_tensor_value_info(given[0]))
                return model.SerializeToString(), given[0]
            break
        if node.op_type not in _PASSED or not given:
            break
        name = given[0]
    return model.SerializeToString(), None


def _arrangement(path: Path, shape: Sequence[object]) -> tuple[tuple[int, int] | None, int, bool]:
    """Return size, channels and whether these come first, of an input (N, H, W, C) or (N, C, H, W)."""
    if len(shape) != 4:
        raise _unusual(path, f"an input of shape {_shape(shape)}")
    for first, channels, sides in ((False, shape[3], shape[1:3]), (True, shape[1], shape[2:4])):
        if channels in (1, 3):
            height, width = (side if isinstance(side, int) and side > 0 else None for side in sides)
            assert isinstance(channels, int)
            return None if height is None or width is None else (height, width), channels, first
    raise _unusual(path, f"an input of shape {_shape(shape)}, which has neither one channel nor three")


def _count(path: Path, shape: Sequence[object]) -> int:
    sides = [side for side in shape[1:] if side != 1]
    if len(sides) > 1 or not all(isinstance(side, int) for side in sides):
        raise _unusual(path, f"an output of shape {_shape(shape)}")
    return int(str(sides[0])) if sides else 1


def _shape(shape: Sequence[object]) -> str:
    return " × ".join("any" if not isinstance(side, int) else str(side) for side in shape)


def _unusual(path: Path, has: str) -> ModelError:
    return ModelError(
        f"A classifier of images takes one input, (images, height, width, channels) or channels first, with one "
        f"channel or three, and gives one number a class; {path} has {has}."
    )


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:300] if text else type(error).__name__
