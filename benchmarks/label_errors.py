"""How well wrong labels are found: noise of known places in the labels of images, by three kinds of features.

    python -m venv peers; peers/bin/pip install cleanlab
    python benchmarks/label_errors.py [--data digits fashion] [--photographs FOLDER] [--peer peers/bin/python]

Labels are changed for 5, 10, 20 and 40 % of the images, to any other class (symmetric) or to the next one (pairwise).
Features are the pixels; the features of a small network that was trained on the wrong labels, as those of a run are;
and those of a pretrained network, for photographs. Printed are the accuracy of the out-of-sample predictions against
the labels as they are, the average precision of `mistakenness`, and precision and recall of the labels that are
contradicted, of those among them that none of the nearest images has, as the data check lists them, and of those that
cleanlab lists from the same probabilities. cleanlab's score is its default, self-confidence.

The data are classes for development: digits, the first five classes of Fashion-MNIST, and folders that are named.
"""

import argparse
import json
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.metrics import average_precision_score

from cnnexp.data_check.label_issues import among_others, averaged
from cnnexp.datasets.sources.builtin import builtin_source, digits_source
from cnnexp.label_errors.mistakenness import contradicted, mistakenness
from cnnexp.label_errors.out_of_sample import by_features, by_pixels

RATES = (0.05, 0.1, 0.2, 0.4)
EPOCHS = 5  # of the small network
SIDE = 96  # pixels, of what the pretrained network gets
PEER = Path(__file__).with_name("peers") / "cleanlab_issues.py"

Features = Callable[[np.ndarray, np.ndarray], np.ndarray]  # images, given labels -> (n, F)


def digits(count: int) -> tuple[np.ndarray, np.ndarray]:
    manifest, images = digits_source().open()
    return images.pixels[:count, ..., None], manifest.labels[:count]


def fashion(count: int) -> tuple[np.ndarray, np.ndarray]:
    manifest, images = builtin_source("fashion_mnist", None).open()
    rows = np.random.default_rng(0).permutation(np.flatnonzero(manifest.labels < 5))[:count]
    return images.pixels[rows][..., None], manifest.labels[rows]


def photographs(folder: Path, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Images of one size in one folder a class."""
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    each = count // len(classes)
    chosen = [
        (file, label)
        for label, path in enumerate(classes)
        for file in np.random.default_rng(0).permutation(sorted(path.iterdir()))[:each]
    ]
    images = np.stack([np.asarray(Image.open(file).convert("RGB")) for file, _ in chosen])
    return images, np.array([label for _, label in chosen])


def changed(labels: np.ndarray, rate: float, kind: str) -> np.ndarray:
    random = np.random.default_rng(round(1000 * rate))
    classes = labels.max() + 1
    wrong = random.permutation(len(labels))[: round(rate * len(labels))]
    given = labels.copy()
    steps = 1 if kind == "pairwise" else random.integers(1, classes, len(wrong))
    given[wrong] = (labels[wrong] + steps) % classes
    return given


def own_features(images: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Those of a small network that has seen these labels in training."""
    import keras

    from cnnexp.portable.forward import forward_of

    keras.utils.set_random_seed(0)
    pixels = keras.Input(images.shape[1:], dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(pixels)
    for filters in (16, 32, 64):
        x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = keras.layers.MaxPooling2D(2)(x) if min(x.shape[1:3]) > 2 else x
    x = keras.layers.Dense(64, activation="relu")(keras.layers.Flatten()(x))
    model = keras.Model(pixels, keras.layers.Dense(int(given.max()) + 1, activation="softmax")(x))
    model.compile(keras.optimizers.Adam(0.002), "sparse_categorical_crossentropy")
    model.fit(images, given, batch_size=32, epochs=EPOCHS, verbose=0)
    forward = forward_of(model)
    return np.concatenate([forward(images[start : start + 256])[1] for start in range(0, len(images), 256)])


def pretrained_features(images: np.ndarray) -> Features:
    """Those of the pretrained network of ``model=pretrained``, computed once: they do not depend on labels."""
    from cnnexp.compose import compose_config
    from cnnexp.models import Regularization, build_model, set_pretrained_weights
    from cnnexp.portable.forward import forward_of
    from cnnexp.runs.starting_network import starting_network

    config = compose_config(["model=pretrained"])
    with starting_network(config) as start:
        model = build_model(
            config.model, input_shape=(SIDE, SIDE, 3), num_classes=2, scaling=start.scaling,
            regularization=Regularization(dropout=0.0, l1=0.0, l2=0.0), precision="float32", pretrained=start,
        )  # fmt: skip
        set_pretrained_weights(model, config.model, start, class_names=("a", "b"))
    larger = [np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC)) for image in images]
    forward = forward_of(model)
    chunks = [forward(np.stack(larger[first : first + 64]))[1] for first in range(0, len(larger), 64)]
    features = np.concatenate(chunks)
    return lambda _images, _given: features


def by_peer(python: str, probabilities: np.ndarray, given: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return which images cleanlab lists, and its score of how good each label is."""
    with tempfile.TemporaryDirectory() as folder:
        case = Path(folder) / "case.npz"
        np.savez(case, labels=given, probabilities=probabilities)
        answer = json.loads(subprocess.check_output([python, str(PEER), str(case)], text=True))
    return np.array(answer["issues"]), np.array(answer["quality"])


def found(listed: np.ndarray, wrong: np.ndarray) -> str:
    hits = (listed & wrong).sum()
    return f"{hits / max(1, listed.sum()):.2f} / {hits / wrong.sum():.2f}"


def measured(
    images: np.ndarray, labels: np.ndarray, name: str, features: Features | None, peer: str | None
) -> Iterator[str]:
    """Yield a row of the table for each kind and rate; without features it is by pixels."""
    small = averaged(images, np.arange(len(images)))
    for kind in ("symmetric", "pairwise"):
        for rate in RATES:
            given = changed(labels, rate, kind)
            wrong = given != labels
            values = small if features is None else features(images, given)
            probabilities = (by_pixels if features is None else by_features)(values, given)
            accuracy = (probabilities.argmax(axis=1) == given).mean()
            ours, score = np.zeros(len(labels), bool), mistakenness(probabilities, given)
            places, _ = contradicted(probabilities, given)
            ours[places] = True
            alone = np.zeros(len(labels), bool)
            alone[places[among_others(values, places, given)]] = True
            row = [name, kind, f"{rate:.0%}", f"{accuracy:.2f}", f"{average_precision_score(wrong, score):.2f}"]
            row += [found(ours, wrong), found(alone, wrong)]
            if peer is not None:
                listed, quality = by_peer(peer, probabilities, given)
                row += [f"{average_precision_score(wrong, -quality):.2f}", found(listed, wrong)]
            yield " | ".join(row)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", nargs="*", default=["digits", "fashion"], choices=["digits", "fashion"])
    parser.add_argument("--photographs", type=Path, help="folder with a folder for each class")
    parser.add_argument("--images", type=int, default=2000, help="of each data set")
    parser.add_argument("--peer", help="Python with cleanlab")
    options = parser.parse_args()
    sets = {name: {"digits": digits, "fashion": fashion}[name](options.images) for name in options.data}
    if options.photographs:
        sets["photographs"] = photographs(options.photographs, options.images)
    heading = "features | noise | rate | accuracy | average precision | contradicted: precision / recall | data check"
    print(heading + (" | cleanlab: average precision | listed" if options.peer else ""), flush=True)
    for name, (images, labels) in sets.items():
        kinds: dict[str, Features | None] = {"pixels": None, "a network trained on them": own_features}
        if images.shape[-1] == 3:
            kinds["a pretrained network"] = pretrained_features(images)
        for kind, features in kinds.items():
            for row in measured(images, labels, f"{name}, {kind}", features, options.peer):
                print(row, flush=True)


if __name__ == "__main__":
    main()
