"""A saved model judged on images it was not trained on: another data set, or its own test images, changed."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnexp.errors import DataError
from cnnexp.evaluation import evaluate
from cnnexp.models import SCALING_LAYER
from cnnexp.portable.card import MODEL_FILE
from cnnexp.portable.classifier import Classifier, load_keras
from cnnexp.portable.forward import forward_of
from cnnexp.portable.reference import least_probability, prediction_sets
from cnnexp.records import Evaluation, Images, Labels, Probabilities, Scaling, SplitPredictions
from cnnexp.saved import shifts
from cnnexp.saved.changes import Change
from cnnexp.saved.evaluation_set import JudgedImages
from cnnexp.saved.faults import Fault
from cnnexp.saved.shifts import Shift
from cnnexp.system.text import listed, plural

COVERAGE = 0.9  # of the prediction sets whose real coverage is measured
_AT_ONCE = 512  # images
_LISTED = 10  # classes named in a note


@dataclass(frozen=True, kw_only=True, slots=True)
class Reevaluation:
    """What came out."""

    evaluation: Evaluation  # classes in the order of the model
    predictions: SplitPredictions
    metrics: Mapping[str, float]  # under the names of a run's final metrics
    notes: tuple[str, ...]


def changed_model(model: Classifier, folder: Path, change: Change) -> Classifier:
    """Return the model of `folder` as a fault in its scaling makes it; for any other change the model itself."""
    if not isinstance(change, Fault):
        return model
    of_card = model.card.scaling
    kept = Scaling(of_card["rule"], tuple(of_card["scale"]), tuple(of_card["offset"]))
    wrong = change.scaling(kept)
    if wrong == kept:
        return model
    network = load_keras(folder / MODEL_FILE)
    layer = network.get_layer(SCALING_LAYER)
    layer.scale, layer.offset = list(wrong.scale), list(wrong.offset)
    return dataclasses.replace(model, forward=forward_of(network))


def judge(model: Classifier, judged: JudgedImages, *, change: Change, seed: int) -> Reevaluation:
    """Ask the model about the images, changed on purpose or not, and evaluate its answers, classes matched by name.

    Images of classes that the model does not know are left out, because no answer could be right; a note says so.

    Raises:
        DataError: no class of the data is one of the model's.

    """
    class_names = model.card.class_names
    labels, class_notes = match_classes(judged.class_names, class_names, judged.labels, source=judged.source)
    kept = np.flatnonzero(labels >= 0)
    if not len(kept):
        raise DataError(
            f"A model is judged on images of classes that it knows; {judged.source} has none in its {judged.part}. "
            f"The model knows {', '.join(class_names)}."
        )
    images, labels = judged.images[kept], labels[kept]
    seen_notes = _seen(images, model)
    images = _changed(images, change, seed=seed)
    answers = [model.forward(images[start : start + _AT_ONCE]) for start in range(0, len(images), _AT_ONCE)]
    probabilities = np.concatenate([answer[0] for answer in answers])
    probabilities = change.answers(probabilities) if isinstance(change, Fault) else probabilities
    features = np.concatenate([answer[1] for answer in answers])
    evaluation = evaluate(probabilities=probabilities, labels=labels, class_names=class_names, seed=seed)
    return Reevaluation(
        evaluation=evaluation,
        predictions=SplitPredictions(tuple(judged.files[place] for place in kept.tolist()), labels, probabilities),
        metrics=_metrics(model, evaluation, probabilities, labels, model.reference.p_values(features, images)),
        notes=(*judged.notes, *class_notes, *seen_notes),
    )


def _changed(images: Images, change: Change, *, seed: int) -> Images:
    match change:
        case Shift():
            return shifts.apply(change, images, seed=seed)
        case Fault():
            return np.ascontiguousarray(change.pixels(images))
        case None:
            return images


def _metrics(
    model: Classifier,
    evaluation: Evaluation,
    probabilities: Probabilities,
    labels: Labels,
    p_values: NDArray[np.float64] | None,
) -> dict[str, float]:
    """Return those of a run, and what became of the promises of the calibration split."""
    metrics = {f"test/{name}": value for name, value in evaluation.metrics.items()}
    metrics["test/accuracy_low"], metrics["test/accuracy_high"] = evaluation.intervals["accuracy"]
    sets = prediction_sets(probabilities, least_probability(model.reference.label_scores, COVERAGE))
    metrics[f"test/set_coverage_{COVERAGE:g}"] = float(sets[np.arange(len(labels)), labels].mean())
    metrics[f"test/set_size_{COVERAGE:g}"] = float(sets.sum(axis=1).mean())
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
        left_out = plural(int((matched < 0).sum()), "image was", "images were")
        notes.append(f"The model knows no class {_names(unknown)}: {left_out} left out.")
    if missing:
        notes.append(f"The data has no class {_names(missing)}, which the model knows.")
    return matched, tuple(notes)


def _names(names: Sequence[str]) -> str:
    return listed(names, most=_LISTED)


def _seen(images: NDArray[np.uint8], model: Classifier) -> tuple[str, ...]:
    """Note images that the model was trained on: a score on them says nothing."""
    known = {image.tobytes() for image in model.reference.pixels}
    count = sum(image.tobytes() in known for image in images)
    if not count:
        return ()
    return (f"At least {count:,} of these images are training images of the model (identical pixels): scores flatter.",)
