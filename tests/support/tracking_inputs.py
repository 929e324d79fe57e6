"""What runs hand to the tracker: a real small model, its card, pictures, and settings for a store of their own."""

import dataclasses
import functools
import io
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from cnnexp.config import TrackingConfig
from cnnexp.records import RunResult
from cnnexp.tracking.store import connection
from support.sample_records import run_result

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
        models="all",
    )


def create_store(settings: TrackingConfig) -> str:
    """Create the store and its experiment; return the experiment's id."""
    connection.load_mlflow()
    uri, artifacts = connection.absolute_uri(settings.uri), connection.absolute_location(settings.artifacts)
    return connection.connect(uri=uri, artifacts=artifacts, experiment=settings.experiment)[1]


@functools.cache
def model_file() -> bytes:
    """A .keras file that takes uint8 (N, 8, 8, 1) and gives three probabilities."""
    import keras

    from cnnexp.training import configure_tensorflow

    configure_tensorflow(threads=1, seed=0)  # as every test that runs TensorFlow: its threads are fixed once a process
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
    card, features = contract(model) if model[:2] == b"PK" else ({"class_names": list(CLASS_NAMES), "image": SPEC}, b"")
    return dataclasses.replace(
        run_result(CLASS_NAMES, epochs=epochs),
        model_file=model,
        card=card,
        features_file=features,
        example=pixels(count=3),
    )


def contract(model: bytes) -> tuple[dict, bytes]:
    """The card and the features of a model that was trained on noise."""
    from cnnexp.datasets import Split, Splits
    from cnnexp.images import ImageSpec
    from cnnexp.portable import classifier
    from cnnexp.portable.card import ChannelStatistics
    from cnnexp.records import Scaling
    from cnnexp.saved.build_card import build_card

    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "model.keras").write_bytes(model)
        forward = classifier.forward_of(classifier.load_keras(Path(folder) / "model.keras"))
    rows = np.arange(30)
    split = Split(pixels(count=30), rows, rows % 3, tuple(f"index-{row}" for row in rows))
    splits = Splits(
        "noise", CLASS_NAMES, ImageSpec(**SPEC), *[split] * 4,
        digest="0", content_digest="1", source="nowhere", notes=(),
    )  # fmt: skip
    built = build_card(
        splits=splits, forward=forward, features_of=lambda _, rows: forward(split.images[rows])[1],
        model_file=model, calibration=forward(split.images)[0],
        statistics=ChannelStatistics(mean=(127.5,), deviation=(73.9,)), scaling=Scaling("unit", (1 / 255,), (0.0,)),
        temperature=None, versions={}, trained_on=np.empty(0, np.uint64),
    )  # fmt: skip
    return built.card.as_dict(), built.reference_file


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
