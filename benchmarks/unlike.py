"""How well a model tells images that are unlike its training data: with features of its own, and of a backbone.

    python benchmarks/unlike.py FOLDER OTHER [--images 1000] [--models scratch frozen tuned] [--relative 0.9 1]

Both are folders of class folders, of which the last fifth of the classes is left out. A model is trained on so many
images of the others, as a user trains it, three ways: from scratch with the defaults, with a frozen pretrained
backbone, and with one that is fine-tuned. Then it is shown images that no model has seen: other images of its classes,
of which at most about 1 % should be called unlike; images of the classes that were left out (near); and images of the
other folder (far). Printed is the share of each that is called unlike, and the AUROC of the distance: the probability
that a foreign image is further from the training data than an ordinary one. It does not depend on the threshold.

With `--relative` the AUROCs of another distance are printed, too, which no model uses: from the squared distance to the
nearest class, such a share of that to all classes together is subtracted (after Ren et al. 2021, arXiv:2106.09022), so
that directions in which the classes do not differ count less.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import measuring
import numpy as np
from sklearn.metrics import roc_auc_score

from cnnexp.images import read_image
from cnnexp.portable.classifier import Classifier
from cnnexp.portable.reference import ClassGaussians, appearance
from cnnexp.saved import open_model
from cnnexp.tracking.recorded_model import recorded_model

WAYS = {
    "scratch": ("from scratch", []),
    "frozen": ("frozen backbone", ["model=pretrained", "training.freeze=backbone", "training.epochs=50"]),
    "tuned": ("fine-tuned", ["model=pretrained"]),
}
SHOWN = 400  # of each kind, at most
CHUNK = 64


@dataclass(frozen=True, slots=True)
class Images:
    """The files of one data set."""

    name: str
    trained: Sequence[Path]  # to train, select, calibrate and test with
    own: Sequence[Path]  # other images of the same classes
    near: Sequence[Path]  # images of other classes


def images_of(folder: Path, *, count: int) -> Images:
    """Divide a folder of class folders; the same every time."""
    classes = sorted(path for path in folder.iterdir() if path.is_dir())
    kept = classes[: len(classes) - max(1, len(classes) // 5)]
    trained, own, near = [], [], []
    for place, one in enumerate(classes):
        files = sorted(path for path in one.iterdir() if path.is_file())
        files = [files[position] for position in np.random.default_rng(place).permutation(len(files))]
        if one in kept:
            trained += files[: count // len(kept)]
            own += files[count // len(kept) :]
        else:
            near += files
    return Images(folder.name, trained, _some(own), _some(near))


def _some(files: Sequence[Path]) -> list[Path]:
    return [files[place] for place in np.random.default_rng(0).permutation(len(files))[:SHOWN]]


def train(images: Images, way: Sequence[str], home: Path) -> Classifier:
    """Train a model by a command of a user's, and open it."""
    photographs = home / "photographs"
    for file in images.trained:
        target = photographs / file.parent.name / file.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(file.read_bytes())
    command = [sys.executable, "-m", "cnnexp", "data=folder", "data.path=photographs", f"data.cache={home / 'cache'}"]
    environment = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    subprocess.run([*command, *way], cwd=home, env=environment, check=True, stdout=subprocess.DEVNULL)
    with recorded_model("latest", uri=f"sqlite:///{home / 'mlflow.db'}").folder() as folder:
        return open_model(folder)


def judged(
    model: Classifier, files: Sequence[Path], shares: Sequence[float]
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Return the distance of each image to the training data, whether it is called unlike them, and other distances."""
    distances, called, others = [], [], [[] for _ in shares]
    by_features, by_appearance = model.reference.feature_gaussians, model.reference.appearance_gaussians
    for start in range(0, len(files), CHUNK):
        pixels = np.stack([read_image(file, model.card.image) for file in files[start : start + CHUNK]])
        features = model.forward(pixels)[1]
        distances.append(model.reference.distances_of(features, pixels))
        p_values = model.reference.p_values(features, pixels)
        assert p_values is not None, "there are calibration images"
        called.append(p_values < model.card.thresholds.unlike_p)
        looks = by_appearance.distances(appearance(pixels)) ** 2
        for other, share in zip(others, shares, strict=True):
            other.append(looks + by_features.distances(features) ** 2 - share * to_all(by_features, features))
    return np.concatenate(distances), np.concatenate(called), [np.concatenate(other) for other in others]


def to_all(gaussians: ClassGaussians, features: np.ndarray) -> np.ndarray:
    """Return the squared Mahalanobis distance (N,) to all classes together: within them, and between their means."""

    def scaled(values: np.ndarray) -> np.ndarray:  # by the inverse of the covariance within classes
        along = values @ gaussians.axes.T
        return (along / gaussians.variances) @ gaussians.axes + (values - along @ gaussians.axes) / gaussians.rest

    center = gaussians.means.mean(axis=0)
    means, apart = (gaussians.means - center) / np.sqrt(len(gaussians.means)), features - center
    between = np.linalg.inv(np.eye(len(means)) + means @ scaled(means).T)  # Woodbury's identity
    across = scaled(apart) @ means.T
    return (apart * scaled(apart)).sum(axis=1) - np.einsum("ni,ij,nj->n", across, between, across)


def rows(images: Images, far: Images, ways: Sequence[str], relative: Sequence[float]) -> Iterator[list[str]]:
    for way in ways:
        title, settings = WAYS[way]
        with tempfile.TemporaryDirectory() as home:
            model = train(images, settings, Path(home))
            own, near, foreign = (judged(model, files, relative) for files in (images.own, images.near, far.own))
        shares = [f"{100 * called.mean():.1f} %" for _, called, _ in (own, near, foreign)]
        areas = [f"{_area(own[0], other[0]):.3f}" for other in (near, foreign)]
        calibrated = f"{len(model.reference.distances)}"
        others = [
            f"{_area(own[2][place], other[2][place]):.3f}"
            for place in range(len(relative))
            for other in (near, foreign)
        ]
        called = [shares[0], shares[1], areas[0], shares[2], areas[1]]
        yield [f"{images.name} / {far.name}", title, calibrated, *called, *others]


def _area(own: np.ndarray, foreign: np.ndarray) -> float:
    foreign_is = np.repeat([0, 1], [len(own), len(foreign)])
    return float(roc_auc_score(foreign_is, np.concatenate([own, foreign])))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folders", type=Path, nargs=2, metavar="FOLDER", help="a folder of class folders")
    parser.add_argument("--images", type=int, default=1000, help="of each folder, to train with")
    parser.add_argument("--models", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--relative", type=float, nargs="+", default=[], help="shares; AUROCs of another distance")
    asked = parser.parse_args()
    print(measuring.machine())
    both = [images_of(folder.absolute(), count=asked.images) for folder in asked.folders]
    heads = [
        "trained on / far",
        "model",
        "usual distances",
        "own: unlike",
        "near: unlike",
        "AUROC",
        "far: unlike",
        "AUROC",
    ]
    heads += [f"{kind} by {share:g}" for share in asked.relative for kind in ("near", "far")]
    print("| " + " | ".join(heads) + " |", flush=True)
    print("|---|---|" + "---:|" * (len(heads) - 2), flush=True)
    for images, far in (both, both[::-1]):
        for row in rows(images, far, asked.models, asked.relative):
            print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
