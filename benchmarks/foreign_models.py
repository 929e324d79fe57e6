"""Is it found what foreign models want? Networks in plain Keras, each trained on images prepared in another way.

    python benchmarks/foreign_models.py FOLDER [--epochs 15] [--json raw.json]

FOLDER has a folder of photographs for each class. They are cut to a ratio of 10 : 7, so that a crop differs from a
stretched image; half of them train, the others are the labelled images of `cnnexp diagnose`. Preparation is Pillow's,
TensorFlow's and NumPy's here, not the product's. A step counts as right where one choice is left and it is the true
one, as wrong where the true one was excluded, and as open where it is among several that are left.
"""

import argparse
import contextlib
import io
import json
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

SIDE = 32
MEANS = np.array([123.68, 116.78, 103.94], np.float32)


@dataclass(frozen=True)
class Case:
    """One way to prepare images; `truth` in the words of `--given`."""

    read: Callable[[Image.Image], np.ndarray]  # -> (SIDE, SIDE, 3), levels
    values: Callable[[np.ndarray], np.ndarray]
    truth: dict[str, str]
    onnx: bool = False
    channels_first: bool = False


def pillow_stretch(kernel: Image.Resampling) -> Callable[[Image.Image], np.ndarray]:
    return lambda image: np.asarray(image.resize((SIDE, SIDE), kernel), np.float32)


def tensorflow_stretch(image: Image.Image) -> np.ndarray:
    import tensorflow as tf

    return tf.image.resize(np.asarray(image), (SIDE, SIDE)).numpy()


def cut(image: Image.Image) -> np.ndarray:
    return np.asarray(ImageOps.fit(image, (SIDE, SIDE), Image.Resampling.BILINEAR), np.float32)


def cut_with_margin(image: Image.Image) -> np.ndarray:
    larger = round(SIDE * 256 / 224)
    start = (larger - SIDE) // 2
    whole = np.asarray(ImageOps.fit(image, (larger, larger), Image.Resampling.BILINEAR), np.float32)
    return whole[start : start + SIDE, start : start + SIDE]


def padded(image: Image.Image) -> np.ndarray:
    return np.asarray(ImageOps.pad(image, (SIDE, SIDE), Image.Resampling.BILINEAR), np.float32)


def truth(channels: str, values: str, polarity: str, fit: str, kernel: str) -> dict[str, str]:
    return {"channels": channels, "values": values, "polarity": polarity, "fit": fit, "kernel": kernel}


BILINEAR, BICUBIC = Image.Resampling.BILINEAR, Image.Resampling.BICUBIC
DEVIATIONS = np.array([0.229, 0.224, 0.225], np.float32)
CASES = {
    "Caffe": Case(
        pillow_stretch(BILINEAR),
        lambda x: (x - MEANS)[..., ::-1],
        truth("bgr", "means", "plain", "stretch", "bilinear"),
    ),
    "TensorFlow": Case(
        tensorflow_stretch, lambda x: x / 127.5 - 1, truth("rgb", "-1..1", "plain", "stretch", "bilinear-tf")
    ),
    "torchvision": Case(
        cut_with_margin,
        lambda x: (x - MEANS) / 255 / DEVIATIONS,
        truth("rgb", "imagenet", "plain", "crop-margin", "bilinear"),
        onnx=True,
        channels_first=True,
    ),
    "levels": Case(pillow_stretch(BICUBIC), lambda x: x, truth("rgb", "0..255", "plain", "stretch", "bicubic")),
    "OpenCV": Case(cut, lambda x: x[..., ::-1] / 255, truth("bgr", "0..1", "plain", "crop", "bilinear"), onnx=True),
    "negatives": Case(
        padded, lambda x: (255 - x) / 255, truth("rgb", "0..1", "inverted", "pad", "bilinear"), channels_first=True
    ),
    "each image": Case(
        cut,
        lambda x: (x - x.mean()) / max(float(x.std()), 1.0),
        truth("rgb", "image", "plain", "crop", "bilinear"),
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--epochs", type=int, default=15)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    from cnnexp.system import quiet

    quiet.set_environment()
    quiet.import_tensorflow()
    raw = {}
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary)
        training, labels, names = prepared(asked.folder, root / "labelled")
        for name, case in CASES.items():
            raw[name] = measured(case, training, labels, names, root, epochs=asked.epochs)
            print(row(name, raw[name]), flush=True)
    total = Counter(verdict for one in raw.values() for verdict in one["steps"].values())
    print(f"\n{sum(total.values())} steps: " + ", ".join(f"{count} {verdict}" for verdict, count in total.items()))
    if asked.json:
        asked.json.write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")


def prepared(folder: Path, labelled: Path) -> tuple[list[Image.Image], np.ndarray, list[str]]:
    """Return images to train on and their labels; the others are written as PNG files in folders of their classes."""
    names = sorted(path.name for path in folder.iterdir() if path.is_dir())
    images, labels = [], []
    for label, name in enumerate(names):
        (labelled / name).mkdir(parents=True)
        for place, file in enumerate(sorted((folder / name).iterdir())[:120]):
            image = Image.open(file).convert("RGB").resize((100, 100))
            top = 15 + place % 7 - 3
            image = image.crop((0, top, 100, top + 70))
            if place % 2:
                image.save(labelled / name / f"{place}.png")
            else:
                images.append(image)
                labels.append(label)
    return images, np.array(labels), names


def measured(
    case: Case, images: list[Image.Image], labels: np.ndarray, names: list[str], root: Path, *, epochs: int
) -> dict:
    """Train a network, ask what it wants, and compare."""
    import keras

    random = np.random.default_rng(0)
    order = random.permutation(len(names))  # the output of each class
    inputs = np.stack([case.values(case.read(image)) for image in images]).astype(np.float32)
    model = network(len(names), channels_first=case.channels_first)
    model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"])
    given = inputs.transpose(0, 3, 1, 2) if case.channels_first else inputs
    model.fit(given, order[labels], epochs=epochs, batch_size=32, verbose=0)
    path = root / ("model.onnx" if case.onnx else "model.keras")
    if case.onnx:
        with contextlib.redirect_stdout(io.StringIO()):
            model.export(path, format="onnx", verbose=False)
    else:
        model.save(path)
    found = diagnosed(path, root / "labelled", path.with_suffix(".json"))
    right_order = [names[label] for label in np.argsort(order)]
    return {
        "accuracy": found["accuracy"],
        "steps": {
            **{step: verdict(found["steps"].get(step), true) for step, true in case.truth.items()},
            "class order": "right" if found["class_names"] == right_order else "wrong",
        },
        "found": found,
    }


def network(classes: int, *, channels_first: bool):
    import keras

    layers = keras.layers
    inputs = x = keras.Input((3, SIDE, SIDE) if channels_first else (SIDE, SIDE, 3))
    if channels_first:
        x = layers.Permute((2, 3, 1))(x)
    for filters in (16, 32, 48):
        x = layers.MaxPooling2D()(layers.Conv2D(filters, 3, padding="same", activation="relu")(x))
    x = layers.Dense(64, activation="relu")(layers.Flatten()(x))
    return keras.Model(inputs, layers.Dense(classes, activation="softmax")(x))


def diagnosed(path: Path, labelled: Path, answer: Path) -> dict:
    from cnnexp.__main__ import main as cnnexp

    code = cnnexp(["diagnose", str(path), "--data", str(labelled), f"--json={answer}"])
    assert code == 0
    return json.loads(answer.read_text())["foreign"]


def verdict(step: dict | None, true: str) -> str:
    if step is None:
        return "right"  # there is one choice only
    left = [choice["name"] for choice in step["choices"] if not choice["excluded"]]
    if true not in left:
        return "wrong"
    return "right" if left == [true] else "open"


def row(name: str, found: dict) -> str:
    steps = ", ".join(f"{step} {outcome}" for step, outcome in found["steps"].items())
    return f"{name:12} {found['accuracy']:.2f}  {steps}"


if __name__ == "__main__":
    main()
