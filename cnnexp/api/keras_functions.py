"""Three functions for those who build with Keras themselves, on the code that runs use.

They do what functions of these names do in most introductions to image classification with Keras: preprocess one
image, build a CNN with dropout and L2, print a report. Import them with ``from cnnexp import preprocess_image``.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal, overload

import keras
import numpy as np
from numpy.typing import NDArray

from cnnexp.config import PlainModelConfig
from cnnexp.evaluation import evaluate
from cnnexp.images import ImageInput, ImageSpec, UnreadableImageError, read_image
from cnnexp.models import Regularization, build_model
from cnnexp.records import Evaluation
from cnnexp.report.console import open_console
from cnnexp.report.run import print_scores


@overload
def preprocess_image(
    path: ImageInput, target_size: tuple[int, int] = ..., *, dtype: Literal["float32"] = ...
) -> NDArray[np.float32]: ...
@overload
def preprocess_image(
    path: ImageInput, target_size: tuple[int, int] = ..., *, dtype: Literal["uint8"]
) -> NDArray[np.uint8]: ...
def preprocess_image(
    path: ImageInput, target_size: tuple[int, int] = (224, 224), *, dtype: str = "float32"
) -> NDArray[np.float32] | NDArray[np.uint8]:
    """Return an image (height, width, 3): scaled for `create_cnn_with_dropout`, or unscaled for a saved model.

    The image is read, resized, and only then scaled, once. So 8-bit, 16-bit and float versions of an image give the
    same values.

    Args:
        path: an image file, its bytes, or an array (H, W), (H, W, 1), (H, W, 3) or (H, W, 4) that is uint8, uint16,
            bool, or float in [0, 1].
        target_size: (height, width) in pixels.
        dtype: "float32" gives values in [0, 1], for the network of `create_cnn_with_dropout`; "uint8" gives 0..255, for
            a ``model.keras`` of a run, whose first layer scales. A run resizes by its own settings: an exported
            folder's ``read_image(file, model.card.image)`` follows them.

    Raises:
        UnreadableImageError: the file is not an image or is damaged, or the array has another shape or type.
        ValueError: another dtype.

    """
    if dtype not in ("float32", "uint8"):
        raise ValueError(f"dtype must be 'float32' (values in 0..1) or 'uint8' (0..255); got {dtype!r}.")
    height, width = target_size
    spec = ImageSpec(
        height=height,
        width=width,
        color="rgb",
        resize="stretch",
        kernel="bilinear",
        antialias=True,
        background=0,
    )
    try:
        pixels = read_image(path, spec)
    except UnreadableImageError as error:
        if isinstance(path, str | Path):
            raise UnreadableImageError(f"{path}: {error}") from error
        raise
    return pixels if dtype == "uint8" else pixels.astype(np.float32) / np.float32(255)


def create_cnn_with_dropout(
    input_shape: tuple[int, int, int],
    num_classes: int,
    dropout_rate: float = 0.5,
    regularization_strength: float = 0.001,
) -> keras.Model:
    """Return the network of ``model=regularized`` for scaled float images, compiled with Adam for one-hot labels.

    32, 64 and 128 filters of 3×3, each followed by max pooling; 128 dense units; dropout; softmax; an L2 penalty on
    every hidden kernel.

    Args:
        input_shape: (height, width, channels).
        num_classes: number of outputs.
        dropout_rate: share of units dropped before the softmax, in [0, 1).
        regularization_strength: weight of the L2 penalty.

    """
    model = build_model(
        PlainModelConfig(name="regularized", width=32, depth=3, dense=128),
        input_shape=input_shape,
        num_classes=num_classes,
        scaling=None,
        regularization=Regularization(dropout=dropout_rate, l1=0.0, l2=regularization_strength),
        precision="float32",
    )
    model.compile(optimizer="adam", loss="categorical_crossentropy", metrics=["accuracy"], jit_compile=False)
    return model


def evaluate_model(
    model: keras.Model, images: NDArray[np.generic], labels: NDArray[np.generic], class_names: Sequence[str]
) -> Evaluation:
    """Print precision, recall and F1 of each class and the confusion matrix, and return all metrics.

    Args:
        model: returns probabilities (N, K) for `images`.
        images: (N, H, W, C), the input of the model: float32 that was scaled, or uint8 for a model of a run.
        labels: one-hot (N, K).
        class_names: K names, in the order of the columns of `labels`.

    Raises:
        ValueError: `labels` is not one-hot over `class_names`.
        TypeError: `images` are floating point, and the model, one of a run, takes uint8 from 0 to 255: Keras would cast
            them, and pixels in 0..1 would all become 0.

    """
    if model.inputs[0].dtype == "uint8" and images.dtype != np.uint8:
        raise TypeError(
            f"This model scales pixels itself: images must be uint8 from 0 to 255; got {images.dtype}. "
            "Take them from preprocess_image(file, size, dtype='uint8')."
        )
    labels = np.asarray(labels)
    one_hot = labels.shape == (len(images), len(class_names)) and np.isin(labels, (0, 1)).all()
    if not one_hot or not (labels.sum(axis=1) == 1).all():
        raise ValueError(
            f"labels must be one-hot, shape ({len(images)}, {len(class_names)}) for these images and class names; got "
            f"shape {labels.shape}. Make them from class indices with keras.utils.to_categorical."
        )
    evaluation = evaluate(
        probabilities=model.predict(images, verbose=0),
        labels=labels.argmax(axis=1),
        class_names=tuple(class_names),
        seed=0,
    )
    print_scores(open_console(), evaluation, {}, title="evaluation")
    return evaluation
