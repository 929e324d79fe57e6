"""Many images through a saved model: read, asked and judged in portions, so that a million of them take no memory."""

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
from cnnexp.portable.reference import Features, Probabilities, least_probability, prediction_sets
from cnnexp.saved.image_files import Listed

PORTION = 128  # images asked about at once
_AHEAD = 3  # portions being read while one is answered
_READERS = 2  # threads; Pillow lets go of the interpreter while it decodes


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What the model says about one image."""

    label: str  # the most probable class
    probability: float
    probabilities: tuple[float, ...]  # (K,) in the order of the card's class names
    next_best: str
    next_probability: float
    prediction_set: tuple[str, ...]  # most probable first
    p_value: float | None  # of coming from where the calibration images came from; None: they were too few
    unlike: bool  # the p-value is below the card's threshold


@dataclass(frozen=True, kw_only=True, slots=True)
class Prediction:
    """One image that was asked about: an answer, or why there is none."""

    name: str  # as it was asked for
    answer: Answer | None
    error: str | None
    pixels: NDArray[np.uint8] | None  # (H, W, C) as the model took them
    nearest: tuple[int, ...]  # rows of the reference, the most similar first; empty if not asked for


def open_model(folder: Path) -> Classifier:
    """Load a model folder and replay its golden samples.

    Raises:
        ModelError: a file is missing, damaged or changed, or the answers moved; the message says which.

    """
    try:
        return classifier.load(folder)
    except UnfitModelError as error:
        raise ModelError(str(error)) from error


def predict(model: Classifier, listed: Iterable[Listed], *, coverage: float, neighbours: int) -> Iterator[Prediction]:
    """Answer each image, in the order they are listed.

    Args:
        model: see `open_model`.
        listed: see `listing.list_images`.
        coverage: share of images whose true class shall be in the prediction set, above 0 and below 1.
        neighbours: how many of the most similar training images to look up.

    Raises:
        ConfigError: a coverage out of range.

    """
    if not 0 < coverage < 1:
        raise ConfigError(f"coverage must be above 0 and below 1; got {coverage}.")
    least = least_probability(model.reference.label_scores, coverage)
    for portion in _read_ahead(listed, model.card.image):
        yield from _answer(model, portion, least=least, neighbours=neighbours)


Read = list[tuple[Listed, NDArray[np.uint8] | str]]  # pixels, or why there are none


def _read_ahead(listed: Iterable[Listed], spec: ImageSpec) -> Iterator[Read]:
    portions = _batched(listed)
    first = next(portions, ())
    if len(first) < PORTION:  # a few images are read sooner than threads are started
        yield _read(first, spec)
        return
    with ThreadPoolExecutor(_READERS) as pool:
        waiting: list[Future[Read]] = []
        for portion in itertools.chain([first], portions):
            waiting.append(pool.submit(_read, portion, spec))
            if len(waiting) > _AHEAD:
                yield waiting.pop(0).result()
        yield from (future.result() for future in waiting)


def _batched(listed: Iterable[Listed]) -> Iterator[tuple[Listed, ...]]:
    rest = iter(listed)
    while portion := tuple(itertools.islice(rest, PORTION)):
        yield portion


def _read(portion: Iterable[Listed], spec: ImageSpec) -> Read:
    return [(item, _pixels(item, spec)) for item in portion]


def _pixels(item: Listed, spec: ImageSpec) -> NDArray[np.uint8] | str:
    if item.path is None:
        return str(item.error)
    try:
        return read_image(item.path, spec)
    except UnreadableImageError as error:
        return str(error)


def _answer(model: Classifier, portion: Read, *, least: float, neighbours: int) -> Iterator[Prediction]:
    images = [pixels for _, pixels in portion if not isinstance(pixels, str)]
    answers: Iterator[Answer] = iter(())
    nearest: Iterator[tuple[int, ...]] = iter(())
    if images:
        asked = np.stack(images)
        probabilities, features = model.forward(asked)
        answers = iter(_answers(model, probabilities, model.reference.p_values(features, asked), least))
        nearest = iter(_nearest(model, features, neighbours))
    for item, pixels in portion:
        if isinstance(pixels, str):
            yield Prediction(name=item.name, answer=None, error=pixels, pixels=None, nearest=())
        else:
            yield Prediction(name=item.name, answer=next(answers), error=None, pixels=pixels, nearest=next(nearest))


def _answers(
    model: Classifier, probabilities: Probabilities, p_values: NDArray[np.float64] | None, least: float
) -> list[Answer]:
    orders = np.argsort(-probabilities, axis=1, kind="stable")
    chosen = prediction_sets(probabilities, least)
    return [
        _one_answer(model, row, order, sets, None if p_values is None else float(p_values[index]))
        for index, (row, order, sets) in enumerate(zip(probabilities, orders, chosen, strict=True))
    ]


def _one_answer(
    model: Classifier, row: NDArray[np.float32], order: NDArray[np.int64], chosen: NDArray[np.bool_], p: float | None
) -> Answer:
    names = model.card.class_names
    first, second = int(order[0]), int(order[1])
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
