"""A real small model, trained once for all tests of what comes after training."""

import dataclasses
import functools
import json
import shutil
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

from cnnexp.portable.card import CARD_FILE, MODEL_FILE, REFERENCE_FILE, Card, digest_of
from cnnexp.records import RunResult


@functools.cache
def result() -> RunResult:
    """Eight epochs on the digits: some 95 % right."""
    from cnnexp.compose import compose_config
    from cnnexp.runs import experiment

    config = compose_config(["training=smoke", "training.epochs=8", "data.limit=null"])
    return experiment.run(
        config, name="digits", on_start=lambda _: None, on_epoch=lambda _: False, on_progress=lambda *_: None
    )


@functools.cache
def _folder() -> Path:
    return write(Path(tempfile.mkdtemp(prefix="cnnexp-trained-")) / "model", result())


def write(folder: Path, run: RunResult) -> Path:
    folder.mkdir()
    (folder / MODEL_FILE).write_bytes(run.model_file)
    (folder / REFERENCE_FILE).write_bytes(run.features_file)
    (folder / CARD_FILE).write_text(json.dumps(run.card))
    for name, text in run.code.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


def folder(target: Path) -> Path:
    """A model folder of the test's own."""
    return Path(shutil.copytree(_folder(), target))


@functools.cache
def model():
    from cnnexp.saved import open_model

    return open_model(_folder())


@functools.cache
def card() -> Card:
    return Card.from_json(json.dumps(result().card))


def with_card(folder: Path, **changes) -> Path:
    """Rewrite the card of a model folder with a right digest, as somebody who means it would."""
    changed = dataclasses.replace(Card.from_json((folder / CARD_FILE).read_text()), **changes)
    (folder / CARD_FILE).write_text(json.dumps(changed.as_dict()))
    return folder


def with_model_file(folder: Path, content: bytes) -> Path:
    """Replace the model file and say so in the card."""
    (folder / MODEL_FILE).write_bytes(content)
    files = dict(Card.from_json((folder / CARD_FILE).read_text()).files) | {MODEL_FILE: digest_of(content)}
    return with_card(folder, files=files)


@functools.cache
def digits() -> tuple[np.ndarray, np.ndarray]:
    """All 1,797 images, (N, 8, 8) uint8, and their labels; "index-17" is the 17th."""
    from cnnexp.datasets.sources.builtin import digits_source

    manifest, images = digits_source().open()
    return images.pixels, manifest.labels


def save_digits(folder: Path, names: list[str]) -> list[Path]:
    """Write the images of names such as index-17 as PNG files."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{name}.png" for name in names]
    for name, path in zip(names, paths, strict=True):
        Image.fromarray(digits()[0][int(name.removeprefix("index-"))]).save(path)
    return paths
