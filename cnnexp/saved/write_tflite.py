"""The TensorFlow Lite file of an export: converted, checked, timed, and recorded beside it."""

import dataclasses
import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

import keras

from cnnexp.datasets import Splits
from cnnexp.portable.card import digest_of
from cnnexp.portable.classifier import Classifier
from cnnexp.portable.golden import Predict
from cnnexp.records import Images
from cnnexp.saved.conversion import require_recorded_answers
from cnnexp.saved.quantization import QuantizationLoss, measure_loss, representative_images
from cnnexp.saved.to_tflite import TFLITE_FILE, TFLiteModel, to_tflite
from cnnexp.system.text import file_size

RECORD_FILE = "tflite.json"
FLOAT32, INT8 = "float32", "int8"
_TIMED = 20  # answers, or as many as fit into the seconds below
_TIMED_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True, slots=True)
class TFLiteFile:
    """What is known about a converted model; the contents of ``tflite.json``."""

    form: str  # float32 | int8: of weights and arithmetic; input and output are the same in both
    sha256: str  # hex
    size: int  # bytes
    milliseconds: float  # median for one image, on one thread of this machine
    milliseconds_keras: float  # the same by the Keras model, on all threads
    representative_images: int  # training images that the 8-bit ranges were taken from; 0: there are none
    loss: QuantizationLoss | None  # of int8

    @property
    def sentences(self) -> tuple[str, ...]:
        """What a person reads about it."""
        loss = () if self.loss is None else (f"In 8 bits: {self.loss.sentence}",)
        return (
            f"{TFLITE_FILE} ({self.form}) has {file_size(self.size)}. On this machine it answers an image in "
            f"{self.milliseconds:.3g} ms on one thread, and Keras in {self.milliseconds_keras:.3g} ms.",
            *loss,
        )


def write_tflite(folder: Path, network: keras.Model, model: Classifier, *, splits: Splits | None) -> TFLiteFile:
    """Write ``model.tflite`` and what is known about it.

    Args:
        folder: where the files are written.
        network: the model as Keras loads it.
        model: the same, in use.
        splits: the data that the model was trained and tested on, for 8-bit integers; None: 32-bit floats.

    Raises:
        ModelError: it cannot be converted, or the result answers differently.

    """
    representative = None if splits is None else representative_images(splits)
    content = to_tflite(network, representative=representative)
    converted = TFLiteModel(content)
    if splits is None:
        require_recorded_answers(TFLITE_FILE, model.card, converted.predict)
    image = model.reference.pixels[:1]
    written = TFLiteFile(
        form=FLOAT32 if splits is None else INT8,
        sha256=digest_of(content),
        size=len(content),
        milliseconds=_milliseconds(converted.predict, image),
        milliseconds_keras=_milliseconds(lambda pixels: model.forward(pixels)[0], image),
        representative_images=0 if representative is None else len(representative),
        loss=None if splits is None else measure_loss(model, converted.predict, splits),
    )
    (folder / TFLITE_FILE).write_bytes(content)
    record = json.dumps(dataclasses.asdict(written), indent=2)
    (folder / RECORD_FILE).write_text(f"{record}\n", encoding="utf-8")
    return written


def _milliseconds(predict: Predict, image: Images) -> float:
    """Return the median time of an answer for one image (1, H, W, C), after a first one that is not counted."""
    predict(image)
    taken: list[float] = []
    while len(taken) < _TIMED and sum(taken) < _TIMED_SECONDS:
        start = time.perf_counter()
        predict(image)
        taken.append(time.perf_counter() - start)
    return 1000 * statistics.median(taken)
