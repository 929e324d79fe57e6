"""A saved model judged on images it was not trained on: another data set, or its own test images, shifted."""

import dataclasses
import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp import shifts
from cnnexp.card import Card
from cnnexp.classifier import Classifier
from cnnexp.config import BuiltinDataConfig, DataConfig, FolderDataConfig
from cnnexp.datasets import Splits, cache, checks, load_splits
from cnnexp.datasets.geometry import Request
from cnnexp.datasets.loading import find
from cnnexp.datasets.sources import UNDECLARED
from cnnexp.datasets.store import decoded
from cnnexp.errors import DataError
from cnnexp.evaluation import evaluate
from cnnexp.records import SPLIT_NAMES, Evaluation, Images, Labels, Probabilities, SplitPredictions
from cnnexp.reference import Features, least_probability, prediction_sets

COVERAGE = 0.9  # of the prediction sets whose real coverage is measured
_AT_ONCE = 512  # images
_LISTED = 10  # classes named in a note

OnProgress = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class JudgedImages:
    """The images a model is judged on."""

    name: str  # of the data set
    source: str
    digest: str  # sha256 (hex) of pixels, labels and class names
    part: str  # which of its images, such as "test split"
    class_names: tuple[str, ...]  # of the data, not of the model
    images: Images  # (N, H, W, C) as the model takes them
    labels: Labels  # (N,) index into `class_names`
    files: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Reevaluation:
    """What came out."""

    evaluation: Evaluation  # classes in the order of the model
    predictions: SplitPredictions
    metrics: Mapping[str, float]  # under the names of a run's final metrics
    notes: tuple[str, ...]


def find_images(data: DataConfig, card: Card, *, seed: int, on_progress: OnProgress) -> JudgedImages:
    """Read the images of a data set as the model of `card` takes them.

    Which of them: the test split of the data set that the model was trained on, of the built-in sets, and of sets that
    declare one; else all, because none of them was trained on.

    Raises:
        DataError: the data set is missing, unreadable, or has no such images.

    """
    spec = card.image
    data = dataclasses.replace(
        data,
        size=[spec.height, spec.width],
        color=spec.color,
        resize=spec.resize,
        kernel=spec.kernel,
        antialias=spec.antialias,
        background=spec.background,
    )
    splits = _same_splits(data, card, seed=seed, on_progress=on_progress)
    if splits is not None:
        test = splits.test
        return JudgedImages(
            name=splits.name,
            source=splits.source,
            digest=splits.digest,
            part="test split",
            class_names=splits.class_names,
            images=test.images[test.rows],
            labels=test.labels,
            files=test.files,
            notes=splits.notes,
        )
    return _all_or_declared(data, on_progress)


def _same_splits(data: DataConfig, card: Card, *, seed: int, on_progress: OnProgress) -> Splits | None:
    """Return the splits of a built-in set, or of the data set the model was trained on; None for any other."""
    builtin = isinstance(data, BuiltinDataConfig)
    try:
        splits = load_splits(data, seed=seed, on_progress=on_progress)
    except DataError:
        if builtin:
            raise
        return None  # such as a class without training images, which matters to nobody here
    return splits if builtin or splits.digest == card.data["digest"] else None


def _all_or_declared(data: DataConfig, on_progress: OnProgress) -> JudgedImages:
    source = find(data)
    read = decoded(source, Request.of(data), folder=cache.folder(data.cache), on_progress=on_progress)
    skips = isinstance(data, FolderDataConfig) and data.on_bad_file == "skip"
    share = data.max_bad_files if isinstance(data, FolderDataConfig) else 0.0
    rows, notes = checks.set_unreadable_aside(read, source.origin, skip=skips, largest_share=share)
    known, part = read.catalogue, "all images"
    if (known.declared != UNDECLARED).any():
        rows, part = rows[known.declared[rows] == SPLIT_NAMES.index("test")], "test split"
    images, labels = read.images[rows], known.labels[rows]
    if not len(rows):
        raise DataError(f"A model is judged on at least one image; {source.origin} has none in its {part}.")
    return JudgedImages(
        name=source.name,
        source=source.origin,
        digest=_digest(images, labels, known.class_names),
        part=part,
        class_names=known.class_names,
        images=images,
        labels=labels,
        files=tuple(known.files[row] for row in rows.tolist()),
        notes=(*known.notes, *notes),
    )


def _digest(images: Images, labels: Labels, class_names: Sequence[str]) -> str:
    digest = hashlib.sha256(np.ascontiguousarray(images).data)
    digest.update(labels.astype("<i8").tobytes() + "\0".join(class_names).encode())
    return digest.hexdigest()


def judge(model: Classifier, judged: JudgedImages, *, shift: shifts.Shift | None, seed: int) -> Reevaluation:
    """Ask the model about the images and evaluate its answers, classes matched by name.

    Images of classes that the model does not know are left out, because no answer could be right; a note says so.

    Raises:
        DataError: no class of the data is one of the model's.

    """
    class_names = model.card.class_names
    labels, class_notes = match_classes(judged.class_names, class_names, judged.labels, source=judged.source)
    kept = np.flatnonzero(labels >= 0)
    images, labels = judged.images[kept], labels[kept]
    seen_notes = _seen(images, model)
    if shift is not None:
        images = shifts.apply(shift, images, seed=seed)
    answers = [model.forward(images[start : start + _AT_ONCE]) for start in range(0, len(images), _AT_ONCE)]
    probabilities = np.concatenate([answer[0] for answer in answers])
    features = np.concatenate([answer[1] for answer in answers])
    evaluation = evaluate(probabilities=probabilities, labels=labels, class_names=class_names, seed=seed)
    return Reevaluation(
        evaluation=evaluation,
        predictions=SplitPredictions(tuple(judged.files[place] for place in kept.tolist()), labels, probabilities),
        metrics=_metrics(model, evaluation, probabilities, features, labels),
        notes=(*judged.notes, *class_notes, *seen_notes),
    )


def _metrics(
    model: Classifier, evaluation: Evaluation, probabilities: Probabilities, features: Features, labels: Labels
) -> dict[str, float]:
    """Return those of a run, and what became of the promises of the calibration split."""
    metrics = {f"test/{name}": value for name, value in evaluation.metrics.items()}
    metrics["test/accuracy_low"], metrics["test/accuracy_high"] = evaluation.intervals["accuracy"]
    sets = prediction_sets(probabilities, least_probability(model.reference.label_scores, COVERAGE))
    metrics[f"test/set_coverage_{COVERAGE:g}"] = float(sets[np.arange(len(labels)), labels].mean())
    metrics[f"test/set_size_{COVERAGE:g}"] = float(sets.sum(axis=1).mean())
    p_values = model.reference.p_values(features)
    if p_values is not None:
        metrics["test/unlike"] = float((p_values < model.card.thresholds.unlike_p).mean())
    return metrics


def match_classes(
    of_data: Sequence[str], of_model: Sequence[str], labels: Labels, *, source: str
) -> tuple[Labels, tuple[str, ...]]:
    """Return each image's class in the model's order, -1 where the model has no such class, and what there is to note.

    Raises:
        DataError: the two have no class name in common.

    """
    place = {name: index for index, name in enumerate(of_model)}
    table = np.array([place.get(name, -1) for name in of_data], np.int64)
    if (table < 0).all():
        raise DataError(
            f"Classes are matched by name, and none of {source} is one of the model's. The data has "
            f"{_names(of_data)}; the model has {_names(of_model)}. Rename the folders or the labels."
        )
    matched = table[labels]
    unknown = [name for name, index in zip(of_data, table, strict=True) if index < 0]
    missing = [name for name in of_model if name not in set(of_data)]
    notes = []
    if unknown:
        left_out = int((matched < 0).sum())
        notes.append(f"The model knows no class {_names(unknown)}: {left_out:,} images were left out.")
    if missing:
        notes.append(f"The data has no class {_names(missing)}, which the model knows.")
    return matched, tuple(notes)


def _names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return ", ".join(names[:_LISTED]) + more


def _seen(images: NDArray[np.uint8], model: Classifier) -> tuple[str, ...]:
    """Note images that the model was trained on: a score on them says nothing."""
    known = {image.tobytes() for image in model.reference.pixels}
    count = sum(image.tobytes() in known for image in images)
    if not count:
        return ()
    return (f"At least {count:,} of these images are training images of the model (identical pixels): scores flatter.",)
