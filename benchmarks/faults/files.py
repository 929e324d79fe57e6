"""The faults that need files: each function writes a folder of images and returns the overrides that read it."""

from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.faults.data_sets import SPLITS, DataSet
from benchmarks.faults.image_changes import Random

FOLDERS = {"train": "train", "val": "val", "calibration": "calibration", "test": "test"}


def truncated(data: DataSet, amount: float, random: Random, folder: Path) -> tuple[str, ...]:
    """Cut a share of the training files to half of their length; the run leaves out what it cannot read."""
    written = []
    for split in SPLITS:
        part = data[split]
        for number, (image, label) in enumerate(zip(part.images, part.labels, strict=True)):
            file = folder / FOLDERS[split] / data.class_names[label].replace("/", "-") / f"{number:05}.png"
            _save(image, file)
            if split == "train":
                written.append(file)
    for row in random.permutation(len(written))[: round(amount * len(written))]:
        content = written[row].read_bytes()
        written[row].write_bytes(content[: len(content) // 2])
    return ("data=folder", f"data.path={folder}", "data.on_bad_file=skip", "data.max_bad_files=0.3")


def versions(data: DataSet, amount: float, random: Random, folder: Path) -> tuple[str, ...]:
    """Write several versions of each of fewer objects, into class folders without splits; the run divides them."""
    train, count = data["train"], int(amount)
    kept = random.permutation(len(train.labels))[: len(train.labels) // 3]
    for number in kept:
        for version in range(count):
            image = np.roll(train.images[number], random.integers(-1, 2, 2), axis=(0, 1)).astype(np.float64)
            image = image * random.uniform(0.85, 1.0) + random.normal(0, 6, image.shape)
            file = (
                folder / data.class_names[train.labels[number]].replace("/", "-") / f"object{number:05}_{version}.png"
            )
            _save(np.clip(np.rint(image), 0, 255).astype(np.uint8), file)
    return ("data=folder", f"data.path={folder}")


def _save(image: np.ndarray, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).save(file)
