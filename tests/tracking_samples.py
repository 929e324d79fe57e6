"""What runs hand to the tracker: a real small model, its card, pictures, and settings for a store of their own."""

import dataclasses
import functools
import io
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from samples import run_result

from cnnexp.config import TrackingConfig
from cnnexp.records import RunResult

CLASS_NAMES = ("stop", "Fußgänger", "直進")
SPEC = {
    "height": 8, "width": 8, "color": "grey", "resize": "stretch", "kernel": "bilinear", "antialias": True,
    "background": 0,
}  # fmt: skip


def settings(folder: Path, uri: str | None = None, experiment: str = "signs") -> TrackingConfig:
    """Everything inside `folder`; a SQLite store unless `uri` is given."""
    return TrackingConfig(
        uri=uri or f"sqlite:///{folder / 'mlflow.db'}",
        artifacts=str(folder / "mlartifacts"),
        experiment=experiment,
        run_name=None,
        outbox=str(folder / "outbox"),
    )


@functools.cache
def model_file() -> bytes:
    """A .keras file that takes uint8 (N, 8, 8, 1) and gives three probabilities."""
    import keras

    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((8, 8, 1), dtype="uint8"),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(3, activation="softmax"),
        ]
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        return path.read_bytes()


def result(*, epochs: int = 3, model: bytes = b"not loaded in this test") -> RunResult:
    """A finished run; give `model` where it is loaded."""
    card = {"class_names": list(CLASS_NAMES), "image": SPEC, "scale": np.float32(0.5)}
    return dataclasses.replace(
        run_result(CLASS_NAMES, epochs=epochs), model_file=model, card=card, example=pixels(count=3)
    )


def pixels(*, count: int, seed: int = 0) -> np.ndarray:
    """uint8 (count, 8, 8, 1)."""
    return np.random.default_rng(seed).integers(0, 256, (count, 8, 8, 1), dtype=np.uint8)


def png(size: tuple[int, int] = (40, 30), shade: int = 90) -> bytes:
    """A PNG file."""
    file = io.BytesIO()
    Image.new("RGB", size, (shade, 20, 255 - shade)).save(file, "PNG")
    return file.getvalue()


FILES = {
    "confusion_matrix.png": png(),
    "curves.png": png((64, 48)),
    "findings.json": b"[]",
    "Überblick.txt": "Straße".encode(),
}
