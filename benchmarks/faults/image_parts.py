"""Models to diagnose images with, and the images: development and held-out data sets, as `split.toml` has them.

    python -m benchmarks.faults.image_parts train PART --state FOLDER [--seed 0] --cifar10 FOLDER --signs FOLDER
    python -m benchmarks.faults.image_parts measure PART --state FOLDER [--seed 0] [--each 40] [--minutes 5]
    python -m benchmarks.faults.image_parts table PART --state FOLDER

PART is `development`, `held_out`, or `pretrained`: a frozen EfficientNet-Lite0 for photographs of 224 × 224 pixels.
`train` makes what is not there yet: a model of each data set, exported, and its test images as PNG files; another seed
draws other images and weights, and needs a folder of its own. `measure`
injects and diagnoses, see `images`, and keeps the raw verdicts after each fault: after `--minutes` it stops, and the
same line goes on from there. `table` prints them as Markdown.
"""

import argparse
import json
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from benchmarks.faults.cases import table
from benchmarks.faults.compose_case import BASE, merged
from benchmarks.faults.data_sets import Places, load
from benchmarks.faults.finished import command, last_line
from benchmarks.faults.image_table import markdown

if TYPE_CHECKING:
    from cnnexp.saved.held_out import HeldOut

PARTS: Mapping[str, Mapping[str, str]] = {  # data set -> architecture; images of 8 × 8 pixels hold no fault of a camera
    "development": {"fashion_a": "small", "cifar_a": "small"},
    "held_out": {"signs": "resnet", "fashion_b": "resnet", "cifar_b": "vgg"},
    "pretrained": {"signs_224": "pretrained"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["train", "measure", "table"])
    parser.add_argument("part", choices=list(PARTS))
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--cifar10")
    parser.add_argument("--signs")
    parser.add_argument("--seed", type=int, default=0, help="of the splits, the weights and what is injected")
    parser.add_argument("--each", type=int, default=40, help="images for each fault")
    parser.add_argument("--clean", type=int, default=200, help="images without a fault")
    parser.add_argument("--minutes", type=float, default=math.inf, help="after which no other fault is begun")
    asked = parser.parse_args()
    state, raw, until = asked.state.absolute(), {}, time.monotonic() + 60 * asked.minutes
    for data, architecture in PARTS[asked.part].items():
        folder = state / data
        if asked.what == "train":
            train(data, architecture, folder, Places(asked.cifar10, asked.signs), seed=asked.seed)
        elif asked.what == "measure":
            others = [state / other / "subjects" for other in PARTS[asked.part] if other != data]
            measure(folder, others, each=asked.each, clean=asked.clean, until=until, seed=asked.seed)
        else:
            raw[data] = json.loads((folder / "raw.json").read_text())
    if raw:
        print(markdown(raw))


def train(data: str, architecture: str, folder: Path, places: Places, *, seed: int) -> None:
    """Train, export and save the test images; nothing where that was done before."""
    if (folder / "model" / "card.json").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    images = load(data, places, seed=seed)
    images.save(folder / "data.npz")
    for place, (image, label) in enumerate(zip(images["test"].images, images["test"].labels, strict=True)):
        own = folder / "subjects" / images.class_names[label].replace("/", " ")
        own.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.squeeze(image)).save(own / f"{place:04}.png")
    store = f"tracking.uri=sqlite:///{folder / 'mlflow.db'}"
    network = table("split")["overrides"][architecture]
    data_file = ("data=npz", f"data.path={folder / 'data.npz'}", f"data.cache={folder / 'cache'}", f"seed={seed}")
    places_of_run = (store, f"tracking.artifacts={folder / 'artifacts'}", f"tracking.outbox={folder / 'outbox'}")
    for line in (
        (*merged(BASE, network, data_file), *places_of_run, "-q"),
        ("export", "latest", str(folder / "model"), store),
    ):
        code, printed = command(*line)
        if code:
            raise SystemExit(f"{data}: {last_line(printed)}")


def measure(folder: Path, others: Sequence[Path], *, each: int, clean: int, until: float, seed: int) -> None:
    """Inject and diagnose, images of the `others` as they are, too; raw verdicts are kept after each fault."""
    from benchmarks.faults.images import measure as measured
    from benchmarks.faults.images import print_rows
    from cnnexp.saved import open_model
    from cnnexp.saved.held_out import travelling
    from cnnexp.system import quiet

    quiet.set_environment()
    quiet.import_tensorflow()
    model, kept = open_model(folder / "model"), folder / "raw.json"
    held_out = travelling(model) or _held_out(folder / "data.npz")
    known, rows = json.loads(kept.read_text()) if kept.is_file() else [], []
    sizes = {"each": each, "clean": clean, "seed": seed}
    for row in measured(model, held_out, folder / "subjects", others, **sizes, known=known, until=until):
        rows.append(row)
        kept.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print(folder.name)
    print_rows(rows)


def _held_out(archive: Path) -> "HeldOut":
    """Return the calibration and validation images of a data set: what `cnnexp diagnose RUN` reads in their place."""
    from cnnexp.saved.held_out import HeldOut

    def read() -> tuple[np.ndarray, np.ndarray]:
        with np.load(archive) as arrays:
            parts = [(arrays[f"x_{split}"], arrays[f"y_{split}"]) for split in ("calibration", "val")]
        images, labels = (np.concatenate(both) for both in zip(*parts, strict=True))
        return images, labels

    return HeldOut(name="calibration and validation images of its data set", key=str(archive), read=read)


if __name__ == "__main__":
    main()
