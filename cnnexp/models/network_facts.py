"""Facts of a network by which its faults are told: what reaches its first kernel, and what its layers make of it."""

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from cnnexp.models.names import LOGITS, WHITENING
from cnnexp.records import Images, NetworkFacts

MOST_IMAGES = 64
MOST_VALUES = 2**20  # of the images together: large ones are few, six of 224 × 224 pixels
FEWEST_UNITS = 4  # of which it says something that all are silent
# What has no kernel and is no activation, by the name of its class. Unknown ones count as activations.
_LINEAR = (
    *("Pooling", "Flatten", "Dropout", "Add", "Average", "Concatenate", "Reshape", "Permute", "Padding", "Cropping"),
    *("UpSampling", "Normalization", "Rescaling", "InputLayer", "Identity", "ConvertToTensor", "Cast", "Transpose"),
    *("Mean", "Subtract"),
)
# Kernels of independent random numbers: their kurtosis is 1.8 (uniform) to 3 (normal), that of trained ones larger;
# and their units are as strong as independent numbers make them, within this many times the variance of that.
_KURTOSIS = 3.6
_UNEVEN = 4.0
Fingerprints = Mapping[str, int]  # of the weights of layers, by their names


def examine_network(model: keras.Model, images: Images) -> NetworkFacts:
    """Look at a network (uint8 in, probabilities out) before its first step, on some images (N, H, W, C) uint8."""
    hidden = _hidden(model)
    if not hidden:
        return NetworkFacts(0, None, None, 0.0, 0.0, 1.0, 0, (), ())
    few = images[: max(2, min(MOST_IMAGES, MOST_VALUES // int(np.prod(images.shape[1:]))))]
    units = [unit for layer in hidden if (unit := _activated(layer)) is not None]
    tensors = [tensor for layer in hidden for tensor in (layer.input, layer.output)]
    probe = keras.Model(model.input, [*tensors, *units])
    values = [np.asarray(keras.ops.convert_to_numpy(one), np.float32) for one in probe(few, training=False)]
    sizes = [_rms(one) for one in values[: len(tensors)]]
    gains = [after / max(before, 1e-12) for before, after in zip(sizes[::2], sizes[1::2], strict=True)]
    first = model.layers.index(hidden[0])
    normalizes = [place for place, layer in enumerate(model.layers) if "Normalization" in type(layer).__name__]
    return NetworkFacts(
        hidden=len(hidden),
        input_rms=None if any(place < first for place in normalizes) else sizes[0],
        gain=None if normalizes else float(np.exp(np.mean(np.log(np.maximum(gains, 1e-12))))),
        dead=max(map(_dead_share, values[len(tensors) :]), default=0.0),
        alike=max(_alike_share(_kernel(layer)) for layer in hidden),
        spread=_spread(values[len(tensors) - 1]),
        narrowest=min(int(np.prod(layer.output.shape[1:])) for layer in hidden),
        linear=tuple(layer.name for layer in hidden if not _is_activated(layer)),
        drawn=tuple(layer.name for layer in hidden if _is_drawn(_kernel(layer))),
    )


def fingerprints(model: keras.Model) -> Fingerprints:
    """Return a number for the weights of each hidden layer with a kernel that is to be trained."""
    trained = (layer for layer in _hidden(model) if layer.name != WHITENING)
    return {layer.name: zlib.adler32(np.ascontiguousarray(_kernel(layer)).tobytes()) for layer in trained}


def after_training(facts: NetworkFacts, *, before: Fingerprints, model: keras.Model) -> NetworkFacts:
    """Return the facts with the layers whose kernels training has not changed."""
    after = fingerprints(model)
    return replace(facts, unchanged=tuple(name for name, number in before.items() if after.get(name) == number))


def _hidden(model: keras.Model) -> list[Any]:
    """Return the layers with a kernel in the order of the model, without the last one."""
    return [layer for layer in model.layers if _has_kernel(layer) and layer.name != LOGITS]


def _has_kernel(layer: Any) -> bool:  # noqa: ANN401
    return getattr(layer, "kernel", None) is not None or getattr(layer, "depthwise_kernel", None) is not None


def _kernel(layer: Any) -> NDArray[np.float32]:  # noqa: ANN401
    """Return the kernel (inputs of a unit, units)."""
    kernel = getattr(layer, "kernel", None)
    own = kernel if kernel is not None else layer.depthwise_kernel
    values = np.asarray(keras.ops.convert_to_numpy(own), np.float32)
    rows = int(np.prod(values.shape[:-1])) if kernel is not None and "Depthwise" not in type(layer).__name__ else None
    return values.reshape(rows if rows is not None else int(np.prod(values.shape[:2])), -1)


def _rms(values: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))


def _spread(values: NDArray[np.float32]) -> float:
    return float(np.sqrt(values.var(axis=0, dtype=np.float64).mean()) / max(_rms(values), 1e-12))


def _followers(operation: Any) -> Iterator[Any]:  # noqa: ANN401
    return (node.operation for node in operation._outbound_nodes)


def _is_activated(layer: Any) -> bool:  # noqa: ANN401
    """Return whether an activation follows a layer, on some way, before another layer with a kernel."""
    if _has_activation(layer):
        return True
    waiting, seen = list(_followers(layer)), set[int]()
    while waiting:
        one = waiting.pop()
        if id(one) in seen or _has_kernel(one):
            continue
        seen.add(id(one))
        if not any(word in type(one).__name__ for word in _LINEAR):
            return True
        waiting += _followers(one)
    return False


def _has_activation(layer: Any) -> bool:  # noqa: ANN401
    activation = getattr(layer, "activation", None)
    return activation is not None and getattr(activation, "__name__", "") != "linear"


def _activated(layer: Any) -> Any:  # noqa: ANN401 - a layer, a tensor
    """Return the units of a layer behind the activation that follows it directly; None: none does."""
    while not _has_activation(layer):
        followers = list(_followers(layer))
        if len(followers) != 1:
            return None
        (layer,) = followers
        if "ReLU" in type(layer).__name__:
            break
        if "Normalization" not in type(layer).__name__ and not _has_activation(layer):
            return None
    return layer.output


def _dead_share(values: NDArray[np.float32]) -> float:
    if values.shape[-1] < FEWEST_UNITS:
        return 0.0
    return float((np.abs(values).reshape(-1, values.shape[-1]).max(axis=0) == 0).mean())


def _alike_share(kernel: NDArray[np.float32]) -> float:
    """Return the share of the units, columns of (inputs, units), that have another one's numbers."""
    if kernel.shape[1] < 2 or kernel.shape[0] < 2:
        return 0.0
    _, counts = np.unique(kernel, axis=1, return_counts=True)
    return float(counts[counts > 1].sum() / kernel.shape[1])


def _is_drawn(kernel: NDArray[np.float32]) -> bool:
    """Return whether a kernel (inputs, units) looks like independent numbers of one distribution, or a constant."""
    centred = kernel - kernel.mean()
    variance = float(np.square(centred).mean())
    if variance == 0:
        return True
    kurtosis = float((centred**4).mean() / variance**2)
    strengths = np.square(centred).mean(axis=0)
    expected = (kurtosis - 1) * variance**2 / kernel.shape[0]
    return kurtosis < _KURTOSIS and (kernel.shape[1] < 4 or float(strengths.var()) < _UNEVEN * expected)
