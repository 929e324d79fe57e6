"""Which parts of an image speak for a class: HiResCAM on the last feature maps of a network, found in its graph.

Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391) weights each channel of the last feature map by the mean of its
gradient over all positions. That is right for networks that end in a mean over positions, and wrong for those that
flatten: there the same channel may speak for a class at one position and against it at another, and the mean shows
places that the network did not use. HiResCAM (Draelos & Carin 2020, arXiv:2011.08891) multiplies gradient and
activation position by position. It equals Grad-CAM where features are the mean over positions, and where a single dense
layer follows the feature map, flattened or not, it is an exact division of the score among the positions. LayerCAM
(Jiang et al. 2021) drops negative gradients before it sums, and with them that property.

The score of a class is its logit less the mean of all logits: softmax does not see a number that is added to them all.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from cnnexp.models.flat import is_functional, renewed, without_nested
from cnnexp.portable.fast_groups import with_fast_groups

_LEAST_SIDE = 4  # positions of a feature map's shorter side; with fewer, every heat map is one large blot
_MOST_SIDE = 8  # regions of a heat map's side; single positions of a large feature map are noise
_CHUNK = 32  # images whose activations are in memory together

# From images (N, H, W, C) and a class for each, (N,), to how much each position speaks for it, (N, H, W), 0 or more
Heat = Callable[[NDArray[np.uint8], NDArray[np.int64]], NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class ClassActivation:
    """A network in two parts: from pixels to its last feature maps, and from these to its logits."""

    before: keras.Model  # uint8 (N, H, W, C) -> one or several feature maps (N, h, w, F)
    after: keras.Model  # these -> the input of the last dense layer (N, D)
    last: keras.layers.Dense

    @classmethod
    def of(cls, model: keras.Model) -> "ClassActivation | None":
        """Divide a network; None where it has no feature map from which vectors follow, or only one of a few positions.

        Such are networks of dense layers alone, of tokens, and classes with a `call` of their own.
        """
        if not is_functional(model) or len(model.inputs) != 1:
            return None
        model = _flat(model)
        dense = [layer for layer in model.layers if isinstance(layer, keras.layers.Dense)]
        if not dense or len(dense[-1].input.shape) != 2:
            return None
        maps = _Graph(model).last_feature_maps(dense[-1].input)
        if not maps or min(side for one in maps for side in one.shape[1:3]) < _LEAST_SIDE:
            return None
        return cls(with_fast_groups(keras.Model(model.inputs[0], maps)), keras.Model(maps, dense[-1].input), dense[-1])

    def compiled(self) -> Heat:
        """Return the function that computes heat maps, as one graph, which is traced when it is first called."""
        import tensorflow as tf

        pixels = tf.TensorSpec(self.before.inputs[0].shape, self.before.inputs[0].dtype)
        signature = [pixels, tf.TensorSpec([None], "int32")]
        graph = tf.function(self._heat, input_signature=signature, jit_compile=False, autograph=False)

        def heat(pixels: NDArray[np.uint8], labels: NDArray[np.int64]) -> NDArray[np.float32]:
            chunks = (slice(start, start + _CHUNK) for start in range(0, len(pixels), _CHUNK))
            return np.concatenate([graph(pixels[chunk], labels[chunk].astype(np.int32)).numpy() for chunk in chunks])

        return heat

    def _heat(self, pixels: Any, labels: Any) -> Any:  # noqa: ANN401 - tensors of TensorFlow
        import tensorflow as tf

        maps = keras.tree.flatten(self.before(pixels, training=False))
        with tf.GradientTape() as tape:
            tape.watch(maps)
            score = self._scores(self.after(maps, training=False), labels)
        products = zip(maps, tape.gradient(score, maps), strict=True)
        shares = [_coarse(keras.ops.sum(one * slope, axis=-1, keepdims=True)) for one, slope in products]
        total = sum(keras.ops.image.resize(share, pixels.shape[1:3], interpolation="bilinear") for share in shares)
        return keras.ops.relu(total[..., 0])

    def _scores(self, features: Any, labels: Any) -> Any:  # noqa: ANN401 - tensors of TensorFlow
        """Return () the scores of the images' classes, summed: no image is in the score of another."""
        logits = keras.ops.matmul(features, self.last.kernel)
        logits = logits if self.last.bias is None else logits + self.last.bias
        if logits.shape[-1] == 1:  # one number for two classes
            logits = keras.ops.concatenate([-logits, logits], axis=-1)
        own = keras.ops.one_hot(labels, logits.shape[-1]) - 1 / logits.shape[-1]
        return keras.ops.sum(logits * own)


def _coarse(shares: Any) -> Any:  # noqa: ANN401 - tensors of TensorFlow
    """Return the shares of a score (N, h, w, 1) by regions, in which what speaks for a class and against it adds up."""
    size = tuple(-(-side // _MOST_SIDE) for side in shares.shape[1:3])
    return keras.ops.average_pool(shares, size, padding="same")


def _flat(model: keras.Model) -> keras.Model:
    """Return the model, or, where models are among its layers, or it is a list of them, a graph of new layers."""
    if not isinstance(model, keras.Sequential) and not any(map(is_functional, model.layers)):
        return model
    flat = without_nested(keras.Model(model.inputs, model.outputs))
    return renewed(flat, lambda layer: type(layer).from_config(layer.get_config()))


class _Graph:
    """What each tensor of a flat network is computed from, for layers that are called once."""

    def __init__(self, model: keras.Model) -> None:
        self._maker = {id(tensor): step for step in model.operations for tensor in keras.tree.flatten(step.output)}

    def last_feature_maps(self, end: keras.KerasTensor) -> list[keras.KerasTensor]:
        """Return the feature maps from which `end` follows without another; none where it depends on anything else.

        Several, where branches meet after they have become vectors.
        """
        maps: dict[int, keras.KerasTensor] = {}
        for tensor in self._before(end, until=_positions):
            if _positions(tensor):
                finest = self._finest(tensor)
                maps[id(finest)] = finest
            elif len(tensor.shape) == 3 or not self._inputs(tensor):  # tokens; an input, or a layer's second call
                return []
        return list(maps.values()) if all(map(self._convolved, maps.values())) else []

    def _before(self, end: keras.KerasTensor, *, until: Callable[[keras.KerasTensor], int]) -> Iterator[Any]:
        """Yield each tensor that `end` depends on, itself first, but none beyond those for which `until` is true."""
        seen, waiting = set(), [end]
        while waiting:
            tensor = waiting.pop()
            if id(tensor) not in seen:
                seen.add(id(tensor))
                yield tensor
                waiting += [] if until(tensor) else self._inputs(tensor)

    def _finest(self, tensor: keras.KerasTensor) -> keras.KerasTensor:
        """Return the tensor of the most positions from which pooling and other layers without weights make `tensor`."""
        finest = tensor
        while not _weights(self._maker.get(id(tensor))) and len(inputs := self._inputs(tensor)) == 1:
            tensor = inputs[0]
            finest = tensor if _positions(tensor) > _positions(finest) else finest
        return finest

    def _convolved(self, tensor: keras.KerasTensor) -> bool:
        """Tell whether a layer with a matrix of weights has made a feature map; normalization has vectors."""
        makers = (self._maker.get(id(one)) for one in self._before(tensor, until=lambda _: 0))
        return any(len(weight.shape) > 1 for maker in makers for weight in _weights(maker))

    def _inputs(self, tensor: keras.KerasTensor) -> list[keras.KerasTensor]:
        step = self._maker.get(id(tensor))
        return [] if step is None or isinstance(step, keras.layers.InputLayer) else keras.tree.flatten(step.input)


def _positions(tensor: keras.KerasTensor) -> int:
    """Return the number of positions of a feature map; 0 for anything else, and where it is a single one."""
    is_map = len(tensor.shape) == 4 and None not in tensor.shape[1:3] and tensor.shape[1:3] != (1, 1)
    return tensor.shape[1] * tensor.shape[2] if is_map else 0


def _weights(step: keras.Operation | None) -> list[keras.Variable]:
    return list(step.weights) if isinstance(step, keras.layers.Layer) else []
