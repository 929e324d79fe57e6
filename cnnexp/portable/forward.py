"""The one forward pass: of validation while training, of the evaluation of a run, and of a saved model.

The first two may run a model whose layers were replaced by faster ones that compute the same up to rounding.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .card import UnfitModelError
from .reference import Features, Probabilities, normalized

if TYPE_CHECKING:
    import keras

CompiledForward = Callable[[NDArray[np.uint8]], tuple[Any, Any, Any]]
Forward = Callable[[NDArray[np.uint8]], tuple[Probabilities, Features]]


def with_features(model: "keras.Model") -> "keras.Model":
    """Return a model from the same images to three tensors.

    They are the probabilities (N, K), the features (N, F), which are the input of the last dense layer, and the logits
    (N, K), its output.

    Raises:
        UnfitModelError: The model has no dense layer.

    """
    from keras import Model

    last = _last_dense(model)
    return Model(model.inputs, [model.outputs[0], last.input, last.output])


def compiled(model: "keras.Model", *, dtype: str = "uint8") -> CompiledForward:
    """Return what a model of three tensors computes of images (N, H, W, C) uint8, in inference mode, as a function.

    One graph serves every N; it uses the weights that the model has when it is called. Convolutions in groups, which
    are slow in Keras, are computed by faster layers that differ by rounding. `dtype` is another one for a model that
    takes no pixels.
    """
    import tensorflow as tf

    from .fast_groups import with_fast_groups

    fast = with_fast_groups(model)
    signature = [tf.TensorSpec(model.inputs[0].shape, dtype)]
    graph: CompiledForward = tf.function(
        lambda pixels: fast(pixels, training=False), input_signature=signature, jit_compile=False, autograph=False
    )
    return graph


def forward_of(model: "keras.Model", *, at_once: int | None = None) -> Forward:
    """Return a function from images to the probabilities and the normalized features of a Keras model.

    `at_once` is how many images it computes at a time, for models that need much memory for one; None: all of them.

    The function raises TypeError or ValueError for images of another dtype or shape: TensorFlow would cast floats to
    uint8 without a word, and pixels from 0 to 1 would all become 0.
    """
    return forward_by(compiled(with_features(model)), image_shape=model.input_shape[1:], at_once=at_once)


def forward_of_many(model: "keras.Model", *, at_once: int | None = None) -> Forward:
    """Return the same with the weights that the model has now: it takes a second, and a quarter less for each image.

    Normalization is multiplied into the convolution before it, so that answers differ by rounding.
    """
    import tensorflow as tf
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    graph: Any = compiled(with_features(model))
    constant = convert_variables_to_constants_v2(graph.get_concrete_function())
    return forward_by(lambda pixels: constant(tf.constant(pixels)), image_shape=model.input_shape[1:], at_once=at_once)


def forward_by(graph: CompiledForward, *, image_shape: tuple[int, int, int], at_once: int | None = None) -> Forward:
    """Return the same for a model that has its graph already."""

    def forward(pixels: NDArray[np.uint8]) -> tuple[Probabilities, Features]:
        _require_bytes(pixels, image_shape)
        given = pixels if len(pixels) else np.zeros((1, *image_shape), np.uint8)  # operations may refuse an empty batch
        step = at_once or len(given)
        parts = [graph(given[start : start + step]) for start in range(0, len(given), step)]
        probabilities, features = (np.concatenate([part[place].numpy() for part in parts]) for place in (0, 1))
        return probabilities[: len(pixels)], normalized(features)[: len(pixels)]

    return forward


def _require_bytes(pixels: NDArray[np.uint8], image_shape: tuple[int, int, int]) -> None:
    expected = f"The model takes uint8 images (N, {', '.join(map(str, image_shape))}), values from 0 to 255"
    if pixels.dtype != np.uint8:
        raise TypeError(
            f"{expected}; got {pixels.dtype}{_range(pixels)}. Scaling is the model's first layer: do not scale before. "
            "Take the pixels from read_image(file, model.card.image), or from preprocess_image with dtype='uint8'."
        )
    if pixels.shape[1:] != image_shape:
        raise ValueError(
            f"{expected}; got {pixels.shape}. Take them from read_image(file, model.card.image), one image as [None]."
        )


def _range(pixels: NDArray[np.generic]) -> str:
    return f" from {pixels.min():g} to {pixels.max():g}" if pixels.size and pixels.dtype.kind in "iuf" else ""


def _last_dense(model: "keras.Model") -> "keras.layers.Dense":
    from keras.layers import Dense

    found = [layer for layer in model.layers if isinstance(layer, Dense)]
    if not found:
        raise UnfitModelError("A model must end in a dense layer and a softmax; this one has no dense layer.")
    return found[-1]
