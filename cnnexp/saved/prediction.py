"""Many images through a saved model: read and classified in chunks, so that a million need little memory."""

import itertools
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnexp.errors import ConfigError, ModelError
from cnnexp.images import ImageSpec, UnreadableImageError, read_image
from cnnexp.portable import classifier
from cnnexp.portable.card import UnfitModelError
from cnnexp.portable.classifier import Classifier
from cnnexp.portable.decision import decide
from cnnexp.portable.reference import Features, Probabilities, minimum_probability, prediction_sets
from cnnexp.saved.image_files import ListedImage

CHUNK = 128  # images classified at once
_PREFETCHED = 3  # chunks being read while one is classified
_READERS = 2  # threads; Pillow releases the interpreter lock while it decodes


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """The answer of the model for one image."""

    label: str  # the most probable class, or the one that the card's decision threshold gives
    probability: float
    probabilities: tuple[float, ...]  # (K,) in the order of the card's class names
    next_best: str  # the most probable of the other classes
    next_probability: float
    prediction_set: tuple[str, ...]  # most probable first
    p_value: float | None  # see `TrainingReference.p_values`; None: no calibration images
    unlike: bool  # the p-value is below the threshold of the card


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """One image: its answer, or why there is none."""

    name: str  # as listed
    answer: Answer | None
    error: str | None
    pixels: NDArray[np.uint8] | None  # (H, W, C), the input of the model
    nearest: tuple[int, ...]  # rows of the training reference, the most similar first; empty if not requested


def open_model(folder: Path) -> Classifier:
    """Load a model folder and replay its golden samples.

    Raises:
        ModelError: a file is missing, damaged or changed, or answers differ; the message says which.

    """
    try:
        return classifier.load(folder)
    except UnfitModelError as error:
        raise ModelError(str(error)) from error


def predict(
    model: Classifier, listed: Iterable[ListedImage], *, coverage: float, neighbours: int
) -> Iterator[Prediction]:
    """Classify each image, in the order of the list.

    Args:
        model: see `open_model`.
        listed: see `list_images`.
        coverage: share of images whose true class should be in the prediction set, above 0 and below 1.
        neighbours: number of most similar training images to find.

    Raises:
        ConfigError: the coverage is out of range.

    """
    if not 0 < coverage < 1:
        raise ConfigError(f"coverage must be above 0 and below 1; got {coverage}.")
    minimum = minimum_probability(model.reference.label_scores, coverage)
    for chunk in _prefetch(listed, model.card.image):
        yield from _classify(model, chunk, minimum=minimum, neighbours=neighbours)


ReadChunk = list[tuple[ListedImage, NDArray[np.uint8] | str]]  # pixels, or why there are none


def _prefetch(listed: Iterable[ListedImage], spec: ImageSpec) -> Iterator[ReadChunk]:
    chunks = _chunks(listed)
    first = next(chunks, ())
    if len(first) < CHUNK:  # reading a few images takes less time than starting threads
        yield _read(first, spec)
        return
    with ThreadPoolExecutor(_READERS) as pool:
        waiting: list[Future[ReadChunk]] = []
        for chunk in itertools.chain([first], chunks):
            waiting.append(pool.submit(_read, chunk, spec))
            if len(waiting) > _PREFETCHED:
                yield waiting.pop(0).result()
        yield from (future.result() for future in waiting)


def _chunks(listed: Iterable[ListedImage]) -> Iterator[tuple[ListedImage, ...]]:
    rest = iter(listed)
    while chunk := tuple(itertools.islice(rest, CHUNK)):
        yield chunk


def _read(chunk: Iterable[ListedImage], spec: ImageSpec) -> ReadChunk:
    return [(item, _pixels(item, spec)) for item in chunk]


def _pixels(item: ListedImage, spec: ImageSpec) -> NDArray[np.uint8] | str:
    image = item.path if item.content is None else item.content
    if image is None:
        return str(item.error)
    try:
        return read_image(image, spec)
    except UnreadableImageError as error:
        return str(error)


def _classify(model: Classifier, chunk: ReadChunk, *, minimum: float, neighbours: int) -> Iterator[Prediction]:
    images = [pixels for _, pixels in chunk if not isinstance(pixels, str)]
    answers: Iterator[Answer] = iter(())
    nearest: Iterator[tuple[int, ...]] = iter(())
    if images:
        stacked = np.stack(images)
        probabilities, features = model.forward(stacked)
        answers = iter(_answers(model, probabilities, model.reference.p_values(features, stacked), minimum))
        nearest = iter(_nearest(model, features, neighbours))
    for item, pixels in chunk:
        if isinstance(pixels, str):
            yield Prediction(name=item.name, answer=None, error=pixels, pixels=None, nearest=())
        else:
            yield Prediction(name=item.name, answer=next(answers), error=None, pixels=pixels, nearest=next(nearest))


def _answers(
    model: Classifier, probabilities: Probabilities, p_values: NDArray[np.float64] | None, minimum: float
) -> list[Answer]:
    orders = np.argsort(-probabilities, axis=1, kind="stable")
    chosen = prediction_sets(probabilities, minimum)
    decided = decide(probabilities, model.card.class_names, model.card.decision)
    return [
        _one_answer(model, row, order, int(decided[index]), sets, None if p_values is None else float(p_values[index]))
        for index, (row, order, sets) in enumerate(zip(probabilities, orders, chosen, strict=True))
    ]


def _one_answer(
    model: Classifier,
    row: NDArray[np.float32],
    order: NDArray[np.int64],
    first: int,
    chosen: NDArray[np.bool_],
    p: float | None,
) -> Answer:
    names = model.card.class_names
    second = next(place for place in order.tolist() if place != first)
    return Answer(
        label=names[first],
        probability=float(row[first]),
        probabilities=tuple(row.tolist()),
        next_best=names[second],
        next_probability=float(row[second]),
        prediction_set=tuple(names[place] for place in order.tolist() if chosen[place]),
        p_value=p,
        unlike=p is not None and p < model.card.thresholds.unlike_p,
    )


def _nearest(model: Classifier, features: Features, neighbours: int) -> list[tuple[int, ...]]:
    if not neighbours:
        return [()] * len(features)
    return [tuple(rows) for rows in model.reference.nearest(features, count=neighbours).tolist()]
