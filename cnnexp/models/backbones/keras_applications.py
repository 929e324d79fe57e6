"""Keras Applications as flat networks, whose preprocessing is our scaling layer.

Keras builds them with a normalization inside or beside them, with models inside them, and with names that count what
was built before. Here each is made anew of its layers: flat, named alike every time, on images that are scaled as
`config.backbones` says. Where a network was trained on channels in the order blue, green, red, its first kernel is
turned round instead of the image.
"""

import warnings
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from cnnexp.config.backbones import BACKBONES, IMAGENET_DEVIATION, IMAGENET_MEAN
from cnnexp.errors import ModelError
from cnnexp.models.backbones.photograph import middle_of
from cnnexp.models.flat import Penalty, layers_of, name_of, penalized, renewed, without_nested
from cnnexp.models.names import SCALING_LAYER
from cnnexp.system.text import first_line

_PALACES = (698, 442, 663)  # classes of ImageNet: palace, bell cote, monastery
_BEST = 5  # classes among which one of them must be


def keras_application(
    x: keras.KerasTensor, backbone: str, *, policy: keras.DTypePolicy, penalty: Penalty
) -> keras.KerasTensor:
    """Return the pooled features (N, F) of scaled images (N, H, W, 3), with random weights."""
    with layers_of(policy.name):
        own = _builder(backbone)(
            weights=None, include_top=False, pooling="avg", input_tensor=x, input_shape=x.shape[1:]
        )
        (pixels,) = keras.utils.get_source_inputs(x)
        return _flat(own, inputs=pixels, penalty=penalty).outputs[0]


@lru_cache(maxsize=1)
def application_weights(backbone: str, file: Path, *, digest: str, is_published: bool) -> dict[str, list[NDArray[Any]]]:
    """Return the weights of each layer by its name; a file of the same `digest` is read once by the runs of a process.

    Raises:
        ModelError: the file holds others.

    """
    own = _with_published(backbone) if is_published else _with_weights(backbone, file)
    _require_usual_normalization(own, file)
    flat = _flat(own, inputs=None, penalty=lambda: None)
    weights = {layer.name: layer.get_weights() for layer in flat.layers if layer.weights}
    if BACKBONES[backbone].preprocessing.blue_first:
        first = next(layer.name for layer in flat.layers if isinstance(layer, keras.layers.Conv2D))
        weights[first][0] = weights[first][0][:, :, ::-1]
    return weights


def _builder(backbone: str) -> Callable[..., keras.Model]:
    builder: Callable[..., keras.Model] = getattr(keras.applications, str(BACKBONES[backbone].builder))
    return builder


def _flat(own: keras.Model, *, inputs: keras.KerasTensor | None, penalty: Penalty) -> keras.Model:
    """Return the network made anew, with its weights and without its own preprocessing."""
    counts: Counter[str] = Counter()

    def make(layer: Any) -> Any:  # noqa: ANN401 - a layer, or an operation of keras.ops
        return type(layer).from_config(penalized(layer, penalty) | {"name": name_of(layer, counts)})

    return renewed(without_nested(own), make, inputs=inputs, left_out=[layer.name for layer in _preprocessing(own)])


def _preprocessing(own: keras.Model) -> list[keras.Layer]:
    kinds = (keras.layers.Rescaling, keras.layers.Normalization)
    return [layer for layer in own.layers if isinstance(layer, kinds) and layer.name != SCALING_LAYER]


def _with_published(backbone: str) -> keras.Model:
    """Return Keras's network with the weights in its cache, whose digest Keras knows."""
    side = BACKBONES[backbone].side
    try:
        return _builder(backbone)(weights="imagenet", include_top=False, pooling="avg", input_shape=(side, side, 3))
    except Exception as error:  # Keras raises a bare Exception where a file is damaged and cannot be downloaded again
        raise ModelError(
            f"Keras refuses the weights of {backbone} in its cache: {first_line(error)} Remove the file, or name "
            "another: model.weights=FILE."
        ) from error


def _with_weights(backbone: str, file: Path) -> keras.Model:
    """Return Keras's network with the weights of a file: with the 1,000 classes of ImageNet, or the features alone."""
    side = BACKBONES[backbone].side
    for with_classes in (True, False):
        shape = {} if with_classes else {"pooling": "avg", "input_shape": (side, side, 3)}
        own = _builder(backbone)(weights=None, include_top=with_classes, **shape)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", UserWarning)  # that layers which the file lacks stay random
                own.load_weights(file)
        except (UserWarning, ValueError, OSError, KeyError) as error:
            refusal = first_line(error)
            continue
        if with_classes:
            _require_palace(backbone, own, file)
        return own
    raise ModelError(f"{file} must hold the weights of {backbone} as Keras saves them: {refusal}")


def _require_palace(backbone: str, own: keras.Model, file: Path) -> None:
    """Refuse weights with which the network does not recognise what is in a photograph."""
    own_preprocessing, scaling = _preprocessing(own), BACKBONES[backbone].preprocessing
    pixels = middle_of("china.jpg", side=BACKBONES[backbone].side)[None].astype(np.float32)
    if not own_preprocessing:
        pixels = pixels * np.array(scaling.scale, np.float32) + np.array(scaling.offset, np.float32)
        pixels = pixels[..., ::-1] if scaling.blue_first else pixels
    answers = np.asarray(own(pixels, training=False))[0]
    if not set(answers.argsort()[-_BEST:].tolist()) & set(_PALACES):
        raise ModelError(
            f"{backbone} must find a palace, bell cote or monastery in scikit-learn's china.jpg; with the weights of "
            f"{file} its best classes are others ({answers.argsort()[-_BEST:][::-1].tolist()})."
        )


def _require_usual_normalization(own: keras.Model, file: Path) -> None:
    """Refuse weights that bring another normalization than the usual one, which our scaling layer does.

    The files of EfficientNet hold the deviations of ImageNet as variances, and Keras divides by their root once more
    (tensorflow issue 49930).
    """
    for layer in _preprocessing(own):
        found = layer.get_weights()[:2]
        if found and not np.allclose(found, (IMAGENET_MEAN, IMAGENET_DEVIATION), atol=0.01):
            raise ModelError(
                f"The weights in {file} must be made for images normalized by mean and deviation of ImageNet; they are "
                f"for {np.round(found, 3).tolist()}."
            )
