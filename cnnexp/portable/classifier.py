"""A saved model in use: three files in a folder, checked when loaded.

The evaluation of a run, ``cnnexp predict``, an exported folder and a server all use this, and give the same answer. It
needs Keras on TensorFlow, NumPy and Pillow.
"""

import os
import platform
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from ..images import READER
from . import golden, user_code
from .card import CARD_FILE, MODEL_FILE, REFERENCE_FILE, Card, UnfitModelError, digest_of
from .forward import Forward, forward_of, forward_of_many
from .reference import TrainingReference

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, slots=True)
class Classifier:
    """From pixels to probabilities and features, with the card and the training reference."""

    card: Card
    reference: TrainingReference
    forward: Forward  # uint8 (N, H, W, C) -> probabilities (N, K), features (N, F)
    network: "keras.Model"  # what `forward` computes by
    prepare: Callable[[], Forward] | None = None  # the same, in a second, for many images; None: `forward` is all


def load(folder: Path) -> Classifier:
    """Load a model folder, compare its files with its card, and replay the golden samples.

    No code in the folder is executed, unless the user says that it is trusted (see `user_code`): files are compared
    before they are opened, and Keras loads the model in safe mode, without lambdas.

    Raises:
        UnfitModelError: A file is missing, damaged or of another card, or answers differ; the message says which.

    """
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # before TensorFlow starts: not all memory of a GPU
    card = Card.from_json(_content(folder, CARD_FILE))
    for name in (MODEL_FILE, REFERENCE_FILE):
        _require_unchanged(folder, name, card)
    network = _load_network(folder / MODEL_FILE, card)
    _multiply_in_all_bits()
    reference = _load_reference(folder, card)
    classifier = Classifier(
        card=card,
        reference=reference,
        forward=forward_of(network, at_once=card.images_at_once),
        network=network,
        prepare=lambda: forward_of_many(network, at_once=card.images_at_once),
    )
    here = machine()
    golden.replay(
        card,
        lambda pixels: classifier.forward(pixels)[0],
        same_machine=card.made_on == here,
        tolerance=golden.ELSEWHERE if "device" in here else None,  # its libraries choose how they sum by what is faster
    )
    return classifier


def _multiply_in_all_bits() -> None:
    """Have GPUs multiply float32 as it is; TensorFlow's default are numbers of fewer bits, which give other answers."""
    import tensorflow as tf

    tf.config.experimental.enable_tensor_float_32_execution(False)


def load_keras(path: Path) -> "keras.Model":
    """Return the Keras model in a file, in safe mode: no code of the file is executed.

    Layers that a user has written are in files beside it, which are executed only if the user trusts them.

    Raises:
        UnfitModelError: It is damaged, or needs code that is not there or not trusted.

    """
    from keras.models import load_model

    user_code.prepare(path)
    try:
        model = load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises what its layers raise
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise UnfitModelError(f"{path} cannot be loaded as a model without executing code in it: {reason}") from error
    return model


@cache
def machine() -> dict[str, str]:
    """Return what the answers of a model depend on, beside its files."""
    libraries = {name: _version(name) for name in ("tensorflow", "keras", "numpy")}
    device = {} if (gpu := _gpu()) is None else {"device": gpu}
    onednn = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "unset")
    return {"processor": _processor(), "onednn": onednn, "reader": READER, **device, **libraries}


def _gpu() -> str | None:
    """Return the model of the GPU that TensorFlow computes on; None: it computes on the processor, or not at all."""
    if "tensorflow" not in sys.modules:
        return None
    import tensorflow as tf

    seen = tf.config.get_visible_devices("GPU")
    if not seen:
        return None
    return str(tf.config.experimental.get_device_details(seen[0]).get("device_name", "GPU"))


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:  # such as tensorflow-cpu
        return "unknown"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def _content(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        raise UnfitModelError(
            f"A model is a folder with {CARD_FILE}, {MODEL_FILE} and {REFERENCE_FILE}; {folder / name} cannot be read: "
            f"{(error.strerror or str(error)).lower()}."
        ) from error


def _require_unchanged(folder: Path, name: str, card: Card) -> None:
    found = digest_of(_content(folder, name))
    if found != card.files.get(name):
        raise UnfitModelError(
            f"{name} in {folder} is not the file its card was written for: its digest is {found[:12]}, that of the "
            f"card {str(card.files.get(name))[:12]}. It was replaced or damaged; take the original from the run."
        )


def _load_network(path: Path, card: Card) -> "keras.Model":
    """Return the network of a model file, which must take and give what its card says."""
    model = load_keras(path)
    shapes = (model.input_shape, model.output_shape)
    expected = ((None, *card.image.shape), (None, len(card.class_names)))
    if shapes != expected:
        raise UnfitModelError(
            f"{MODEL_FILE} must map {expected[0]} to {expected[1]}, because {CARD_FILE} has images of shape "
            f"{card.image.shape} and {len(card.class_names)} classes; it maps {shapes[0]} to {shapes[1]}. "
            "Take the original files from the run."
        )
    return model


def _load_reference(folder: Path, card: Card) -> TrainingReference:
    try:
        reference = TrainingReference.from_bytes(_content(folder, REFERENCE_FILE))
        reference.require_consistent(image_shape=card.image.shape, classes=len(card.class_names))
    except (ValueError, KeyError, OSError, EOFError, MemoryError, NotImplementedError, zipfile.BadZipFile) as error:
        raise UnfitModelError(
            f"{folder / REFERENCE_FILE} is damaged: {error}. Take the original from the run."
        ) from error
    return reference
