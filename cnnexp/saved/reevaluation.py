"""A saved model evaluated on another data set, or on its own test images, changed or not."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets.image_digests import as_numbers
from cnnexp.datasets.measured_images import appearance
from cnnexp.errors import DataError
from cnnexp.evaluation import evaluate
from cnnexp.evaluation.operating_point import decision_metrics
from cnnexp.models import SCALING_LAYER
from cnnexp.portable.card import MODEL_FILE
from cnnexp.portable.classifier import Classifier, load_keras
from cnnexp.portable.decision import decide
from cnnexp.portable.forward import forward_of
from cnnexp.portable.reference import minimum_probability, prediction_sets
from cnnexp.records import Evaluation, Images, Labels, Probabilities, Scaling, SplitPredictions
from cnnexp.saved import shifts
from cnnexp.saved.changes import Change
from cnnexp.saved.evaluation_set import EvaluationSet
from cnnexp.saved.faults import Fault
from cnnexp.saved.shifts import Shift
from cnnexp.system.text import listed, plural

COVERAGE = 0.9  # of the prediction sets whose actual coverage is measured
_CHUNK = 512  # images
_LISTED = 10  # classes named in a note


@dataclass(frozen=True, kw_only=True, slots=True)
class Reevaluation:
    """The result of an evaluation."""

    evaluation: Evaluation  # classes in the order of the model
    predictions: SplitPredictions
    metrics: Mapping[str, float]  # under the names of a run's final metrics
    notes: tuple[str, ...]


def changed_model(model: Classifier, folder: Path, change: Change) -> Classifier:
    """Return the model of `folder` with a faulty scaling layer; for any other change the model itself."""
    if not isinstance(change, Fault):
        return model
    recorded = model.card.scaling
    scaling = Scaling(recorded["rule"], tuple(recorded["scale"]), tuple(recorded["offset"]))
    faulty = change.scaling(scaling)
    if faulty == scaling:
        return model
    network = _rescaled(load_keras(folder / MODEL_FILE), faulty)
    return dataclasses.replace(model, forward=forward_of(network, at_once=model.card.images_at_once))


def _rescaled(network: keras.Model, scaling: Scaling) -> keras.Model:
    """Return a copy of the network with another scaling layer."""

    def clone(layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        if layer.name == SCALING_LAYER:
            config |= {"scale": list(scaling.scale), "offset": list(scaling.offset)}
        return type(layer).from_config(config)

    copy = keras.models.clone_model(network, clone_function=clone)
    copy.set_weights(network.get_weights())
    return copy


def reevaluate(model: Classifier, images: EvaluationSet, *, change: Change, seed: int) -> Reevaluation:
    """Evaluate a model on images, changed on purpose or not; classes are matched by name.

    Images of classes that the model does not know are left out, because no answer could be correct; a note says so.
    `seed` is that of the bootstrap, and of noise.

    Raises:
        DataError: no class of the data is one of the model's.

    """
    class_names = model.card.class_names
    labels, class_notes = match_classes(images.class_names, class_names, images.labels, source=images.source)
    kept = np.flatnonzero(labels >= 0)
    if not len(kept):
        raise DataError(
            f"A model is evaluated on images of its classes; {images.source} has none in its {images.part}. "
            f"The model knows {', '.join(class_names)}."
        )
    original, labels = images.images[kept], labels[kept]
    digests = tuple(images.digests[place] for place in kept.tolist())
    seen_notes = _seen(original, digests, model)
    pixels = _changed(original, change, seed=seed)
    probabilities, p_values = _answers(model, pixels)
    probabilities = change.answers(probabilities) if isinstance(change, Fault) else probabilities
    decision = model.card.decision
    evaluation = evaluate(
        probabilities=probabilities, labels=labels, class_names=class_names, seed=seed, decision=decision
    )
    return Reevaluation(
        evaluation=evaluation,
        predictions=SplitPredictions(
            files=tuple(images.files[place] for place in kept.tolist()),
            digests=digests,
            labels=labels,
            probabilities=probabilities,
            decided=decide(probabilities, class_names, decision),
            properties=appearance(pixels),
        ),
        metrics=_metrics(model, evaluation, probabilities, labels, p_values),
        notes=(*images.notes, *class_notes, *seen_notes),
    )


def _answers(model: Classifier, pixels: Images) -> tuple[Probabilities, NDArray[np.float64] | None]:
    """Return probabilities (N, K) and p-values (N,); features, which may be long, are kept of a few images."""
    found = []
    for start in range(0, len(pixels), _CHUNK):
        chunk = pixels[start : start + _CHUNK]
        probabilities, features = model.forward(chunk)
        found.append((probabilities, model.reference.p_values(features, chunk)))
    p_values = [p for _, p in found if p is not None]
    return np.concatenate([probabilities for probabilities, _ in found]), np.concatenate(p_values) if p_values else None


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
    """Return the metrics of a run, and the actual coverage, size and warnings under the thresholds of the card."""
    metrics = {f"test/{name}": value for name, value in evaluation.metrics.items()}
    metrics["test/accuracy_low"], metrics["test/accuracy_high"] = evaluation.intervals["accuracy"]
    metrics |= decision_metrics(model.card.decision, evaluation.intervals)
    sets = prediction_sets(probabilities, minimum_probability(model.reference.label_scores, COVERAGE))
    metrics[f"test/set_coverage_{COVERAGE:g}"] = float(sets[np.arange(len(labels)), labels].mean())
    metrics[f"test/set_size_{COVERAGE:g}"] = float(sets.sum(axis=1).mean())
    if p_values is not None:
        metrics["test/unlike"] = float((p_values < model.card.thresholds.unlike_p).mean())
    return metrics


def match_classes(
    of_data: Sequence[str], of_model: Sequence[str], labels: Labels, *, source: str
) -> tuple[Labels, tuple[str, ...]]:
    """Return the label of each image in the order of the model, -1 for classes that it lacks, and notes.

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


def _seen(images: Images, digests: Sequence[str], model: Classifier) -> tuple[str, ...]:
    """Return a note about images that the model was trained on: of earlier versions only some of these are known."""
    known, at_least = model.reference.trained_on, ""
    if known is not None:
        count = int(np.isin(as_numbers(digests), known).sum())
    else:
        some = {image.tobytes() for image in model.reference.pixels}
        count, at_least = sum(image.tobytes() in some for image in images), "At least "
    if not count:
        return ()
    return (
        f"{at_least}{count:,} of the {len(images):,} images are training images of the model (identical pixels): "
        "scores are too high.",
    )
