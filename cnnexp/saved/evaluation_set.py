"""The images that a saved model is evaluated on, read as in its training."""

import dataclasses
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.config import BuiltinDataConfig, DataConfig
from cnnexp.datasets import (
    InspectedDataset,
    Splits,
    cached_spec,
    content_digest,
    inspect_dataset,
    load_splits,
    read_images,
    requirements,
    trainable_splits,
)
from cnnexp.datasets.image_digests import image_digests
from cnnexp.datasets.larger_images import at_size
from cnnexp.errors import DataError
from cnnexp.images import PIXEL_LIMIT, ImageSpec
from cnnexp.portable.card import Card
from cnnexp.records import SPLIT_NAMES, Images, Labels

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationSet:
    """The images that a model is evaluated on."""

    name: str  # of the data set
    source: str
    digest: str  # sha256 (hex) of pixels, labels and class names
    part: str  # of the data set, such as "test split"
    class_names: tuple[str, ...]  # of the data, not of the model
    images: Images  # (N, H, W, C), the input of the model
    labels: Labels  # (N,) index into `class_names`
    files: tuple[str, ...]
    digests: tuple[str, ...]  # of the pixels of each image, before anything is changed on purpose
    content_digest: str  # sha256 (hex) of the whole data set
    inspected: InspectedDataset  # these images alone, all of them test images, for the data check
    notes: tuple[str, ...]


def load_evaluation_set(data: DataConfig, card: Card, *, seed: int, on_progress: OnProgress) -> EvaluationSet:
    """Read the images of a data set as the model of `card` takes them.

    The test split of the data set that the model was trained on, of built-in data sets, and of those that declare one;
    of others all images, because the model was trained on none of them. Which these are is found at the size of the
    training, because the digest of a data set is that of its pixels.

    Raises:
        DataError: the data set is missing, unreadable, or has no such images.

    """
    images = _load(data, card, seed=seed, on_progress=on_progress)
    return images if card.image == card.trained_image else reread(data, images, card.image, on_progress=on_progress)


def _load(data: DataConfig, card: Card, *, seed: int, on_progress: OnProgress) -> EvaluationSet:
    data = read_by(data, card.trained_image)
    found = _same_splits(data, card, seed=seed, on_progress=on_progress)
    if found is None:
        return _all_or_declared(data, on_progress)
    splits, inspected = found
    test = splits.test
    if not len(test):  # of a run of folds
        raise DataError(
            f"A model is evaluated on images that it was not trained on; this one has seen all of {splits.source}. "
            "Its score on them is that of its folds, which its page shows. Name other images: data.path=PLACE."
        )
    return EvaluationSet(
        name=splits.name,
        source=splits.source,
        digest=splits.digest,
        part="test split",
        class_names=splits.class_names,
        images=test.images[test.rows],
        labels=test.labels,
        files=test.files,
        digests=image_digests(test.images, test.rows.tolist()),
        content_digest=splits.content_digest,
        inspected=dataclasses.replace(inspected, rows=_only_test(inspected.rows["test"])),
        notes=splits.notes,
    )


def load_trained_splits(data: DataConfig, card: Card, *, seed: int, purpose: str, on_progress: OnProgress) -> Splits:
    """Read the splits that the model of `card` was trained and tested on; `purpose` begins the refusal of others.

    Raises:
        DataError: the data set is missing or unreadable, or is another one.

    """
    data = read_by(data, card.trained_image)
    splits = load_splits(data, seed=seed, on_progress=on_progress)
    if splits.digest != card.data["digest"]:
        raise DataError(
            f"{purpose}; {splits.source} has other images, or other splits. Name the data of its run: data.path=PLACE, "
            "and what else was set there."
        )
    if card.image == card.trained_image:
        return splits
    return at_size(splits, data, (card.image.height, card.image.width), on_progress=on_progress)


def reread(data: DataConfig, images: EvaluationSet, spec: ImageSpec, *, on_progress: OnProgress) -> EvaluationSet:
    """Read the same images by another rule; they keep their digests."""
    data = read_by(data, spec)
    _, read = read_images(data, on_progress=on_progress)
    place = {file: row for row, file in enumerate(read.manifest.files)}
    return dataclasses.replace(images, images=read.images[[place[file] for file in images.files]])


def read_by(data: DataConfig, spec: ImageSpec) -> DataConfig:
    """Return settings that read by `spec`: `data` itself if the cache has been decoded by it, as after a run."""
    if cached_spec(data) == spec:
        return data
    return dataclasses.replace(
        data,
        size=[spec.height, spec.width],
        color=spec.color,
        resize=spec.resize,
        kernel=spec.kernel,
        antialias=spec.antialias,
        background=spec.background,
        value_range=None if spec.value_range is None else list(spec.value_range),
        max_pixels=None if spec.max_pixels == PIXEL_LIMIT else spec.max_pixels,
    )


def _only_test(rows: NDArray[np.int64]) -> dict[str, NDArray[np.int64]]:
    return {name: rows if name == "test" else rows[:0] for name in SPLIT_NAMES}


def _same_splits(
    data: DataConfig, card: Card, *, seed: int, on_progress: OnProgress
) -> tuple[Splits, InspectedDataset] | None:
    """Return the splits of a built-in data set, or of the one the model was trained on; None for any other."""
    builtin = isinstance(data, BuiltinDataConfig)
    try:
        inspected = inspect_dataset(data, seed=seed, on_progress=on_progress, strict=True)
        splits = trainable_splits(inspected, data)
    except DataError:
        if builtin:
            raise
        return None  # such as a class without training images, which does not matter here
    return (splits, inspected) if builtin or splits.digest == card.data["digest"] else None


def _all_or_declared(data: DataConfig, on_progress: OnProgress) -> EvaluationSet:
    source, read = read_images(data, on_progress=on_progress)
    rows, notes = requirements.exclude_unreadable(read, source.origin, tolerance=requirements.tolerance(data))
    known, part = read.manifest, "all images"
    is_test = known.declared_splits == SPLIT_NAMES.index("test")
    if is_test.any():
        rows, part = rows[is_test[rows]], "test split"
    images, labels = read.images[rows], known.labels[rows]
    if not len(rows):
        raise DataError(f"A model is evaluated on at least one image; {source.origin} has none in its {part}.")
    return EvaluationSet(
        name=source.name,
        source=source.origin,
        digest=_digest(images, labels, known.class_names),
        part=part,
        class_names=known.class_names,
        images=images,
        labels=labels,
        files=tuple(known.files[row] for row in rows.tolist()),
        digests=image_digests(read.images, rows.tolist()),
        content_digest=content_digest(read),
        inspected=InspectedDataset(
            name=source.name,
            origin=source.origin,
            decoded=read,
            rows=_only_test(rows),
            digest=content_digest(read),
            tolerance=requirements.tolerance(data) or 0.0,
            needed=("test",),
            notes=(),
        ),
        notes=(*source.notes, *known.notes, *notes),
    )


def _digest(images: Images, labels: Labels, class_names: Sequence[str]) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(images).data)
    digest.update(labels.astype("<i8").tobytes() + "\0".join(class_names).encode())
    return digest.hexdigest()
