"""What a model that cnnexp did not train wants, and the same model as one that images can be diagnosed with."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.diagnosis.foreign.answers import LogProbabilities, form_of, log_probabilities
from cnnexp.diagnosis.foreign.preprocessing import Preprocessing, Statistics
from cnnexp.diagnosis.foreign.recipe import recipe
from cnnexp.diagnosis.foreign.search import Rows, Trial, Wanted, find_preprocessing
from cnnexp.errors import ConfigError
from cnnexp.models import HeatMapper
from cnnexp.portable.card import (
    FORMAT,
    MODEL_FILE,
    REFERENCE_FILE,
    Card,
    ChannelStatistics,
    Thresholds,
    digest_of,
)
from cnnexp.portable.classifier import Classifier, machine
from cnnexp.portable.reference import (
    Probabilities,
    TrainingReference,
    appearance,
    distances,
    fit_gaussians,
    minimum_probability,
    normalized,
)
from cnnexp.records import Images, RecordedPredictions
from cnnexp.saved.build_card import COVERAGES, UNLIKE_P
from cnnexp.saved.foreign_model import ForeignModel
from cnnexp.saved.held_out import FEWEST, HeldOut
from cnnexp.saved.labelled_images import LabelledImages
from cnnexp.system.text import listed

PIXELS = 200 * 64 * 64  # of the images of each half; networks for larger images are asked about fewer, as they are slow
_LEAST = 60  # images of each half, at least
_FORM = 32  # images by whose outputs their form is seen


@dataclass(frozen=True, kw_only=True, slots=True)
class ForeignDiagnosis:
    """A foreign model, what it wants, and what it takes to diagnose images with it."""

    model: ForeignModel
    images: LabelledImages
    wanted: Wanted
    size: tuple[int, int]  # (height, width) that it was given
    form: str  # of its outputs: probabilities, sigmoids, logits
    class_names: tuple[str, ...]  # in the order of the outputs; "output 7" where no labelled image tells
    statistics: Statistics

    @property
    def recipe(self) -> tuple[str, ...]:
        """The lines of Python that make the model's input of a file."""
        return recipe(
            self.wanted.preprocessing,
            size=self.size,
            statistics=self.statistics,
            channels_first=self.model.channels_first,
        )


def diagnose_foreign(
    model: ForeignModel,
    images: LabelledImages,
    *,
    size: tuple[int, int],
    class_names: Sequence[str] | None,
    on_progress: Callable[[int, int], None],
) -> ForeignDiagnosis:
    """Try the usual preprocessing on labelled images.

    Args:
        model: See `open_foreign`.
        images: See `read_labelled`.
        size: What the model is given, (height, width).
        class_names: In the order of its outputs; None: not known.
        on_progress: Called with rounds done, and all.

    Raises:
        ConfigError: The classes do not fit the outputs.
        ModelError: The model fails on images.

    """
    declared = _declared(model, images, class_names)
    plain = Preprocessing(channels=_color(model), values="0..1", polarity="plain", fit="stretch", kernel="bilinear")
    statistics = images.statistics(plain.spec(*size))
    first = images.read(plain.spec(*size))[:_FORM]
    outputs, _ = model(plain.inputs(first, size, statistics))
    form = form_of(outputs)
    asked: dict[tuple[Preprocessing, bytes], LogProbabilities] = {}

    def ask(one: Preprocessing, rows: Rows) -> LogProbabilities:
        key = (one, rows.tobytes())
        if key not in asked:
            pixels = images.read(one.spec(*size))[rows]
            asked[key] = log_probabilities(model(one.inputs(pixels, size, statistics))[0], form=form)
        return asked[key]

    most = max(_LEAST, PIXELS // (size[0] * size[1]))
    chooses, confirms = (_some(half, most) for half in (images.chooses, images.confirms))
    trial = Trial(
        ask=ask,
        labels=images.labels,
        classes=len(images.class_names),
        chooses=chooses,
        confirms=confirms,
        few=_some(chooses, max(_LEAST, len(chooses) // 2)),
        grey=model.channels == 1,
        whole_numbers=model.dtype.startswith("uint"),
        two_outputs=model.classes == 2,
        declared=declared,
        readings=lambda factor: images.differing(factor, plain, size),
    )
    wanted = find_preprocessing(trial, on_progress=on_progress)
    names = [f"output {place}" for place in range(model.classes)] if class_names is None else list(class_names)
    for label, place in enumerate(wanted.fitted.order.tolist()):
        names[place] = images.class_names[label]
    return ForeignDiagnosis(
        model=model,
        images=images,
        wanted=wanted,
        size=size,
        form=form,
        class_names=tuple(names),
        statistics=statistics,
    )


def _some(places: Rows, most: int) -> Rows:
    """Return at most so many places, evenly of all classes: images of a class stand together."""
    return places if len(places) <= most else places[np.linspace(0, len(places) - 1, most).astype(np.int64)]


def _color(model: ForeignModel) -> str:
    return "grey" if model.channels == 1 else "rgb"


def _declared(
    model: ForeignModel, images: LabelledImages, class_names: Sequence[str] | None
) -> NDArray[np.int64] | None:
    """Return the output of each class of the images by the names that the user gave."""
    if len(images.class_names) > model.classes:
        raise ConfigError(
            f"The labelled images have {len(images.class_names)} classes, {listed(images.class_names, most=10)}, and "
            f"the model tells {model.classes} apart. Leave the folders of the others away."
        )
    if class_names is None:
        return None
    if len(class_names) != model.classes:
        raise ConfigError(
            f"A file of class names has a line for each output, in their order: {model.classes}; got "
            f"{len(class_names)}: {listed(class_names, most=10)}."
        )
    place = {name: number for number, name in enumerate(class_names)}
    if missing := [name for name in images.class_names if name not in place]:
        raise ConfigError(
            f"The folders of labelled images are named as the classes, {listed(class_names, most=10)}; "
            f"{listed(missing, most=10)} is none of them."
        )
    return np.array([place[name] for name in images.class_names], np.int64)


@dataclass(frozen=True, kw_only=True, slots=True)
class UsableModel:
    """A foreign model that images can be diagnosed with, as one of our own."""

    classifier: Classifier
    mapper: HeatMapper
    held_out: HeldOut | None  # None: too few
    recorded: RecordedPredictions  # of the half that confirmed


def usable(found: ForeignDiagnosis) -> UsableModel:
    """Return the model with the preprocessing that was found, and the labelled images in place of training images.

    The half that chose stands for the training images; the other half says what is usual among ordinary ones.
    """
    model, images, wanted = found.model, found.images, found.wanted
    spec = wanted.preprocessing.spec(*found.size)
    pixels = images.read(spec)

    def prepare(given: Images) -> NDArray[np.float32]:
        return wanted.preprocessing.inputs(given, found.size, found.statistics)

    def forward(given: Images) -> tuple[Probabilities, NDArray[np.float32]]:
        outputs, features = model(prepare(given if len(given) else np.zeros((1, *spec.shape), np.uint8)))
        moved = wanted.fitted.moved(log_probabilities(outputs, form=found.form))  # the higher one is the answer
        probabilities = np.exp(moved).astype(np.float32)
        return probabilities[: len(given)], normalized(features)[: len(given)]

    probabilities, features = forward(pixels)
    places = wanted.fitted.order[images.labels]  # the output of each image's class
    known, others = images.chooses, images.confirms
    by_features, by_appearance = (
        fit_gaussians(values[known], images.labels[known], classes=len(images.class_names))
        for values in (features, appearance(pixels))
    )
    reference = TrainingReference(
        features=features[known].astype(np.float16),
        pixels=pixels[known],
        labels=places[known],
        files=tuple(images.files[place] for place in known.tolist()),
        feature_gaussians=by_features,
        appearance_gaussians=by_appearance,
        label_scores=np.sort(1 - probabilities[others, places[others]]).astype(np.float32),
        distances=np.sort(distances(features[others], pixels[others], by_features, by_appearance)),
        file_sizes=images.sizes,
    )
    key = digest_of(f"{images.digest} {wanted.preprocessing} {found.size}".encode())
    card = Card(
        format=FORMAT,
        class_names=found.class_names,
        image=spec,
        scaling={"rule": wanted.preprocessing.values, "scale": (), "offset": ()},
        temperature=1.0,
        calibration_images=0,
        training_pixels=ChannelStatistics(mean=found.statistics.mean, deviation=found.statistics.deviation),
        thresholds=Thresholds(
            images=len(others),
            coverage={f"{one:g}": minimum_probability(reference.label_scores, one) for one in COVERAGES},
            unlike_p=UNLIKE_P,
            unlike_distance=None,
        ),
        data={"name": images.origin, "digest": images.digest},
        versions={},
        made_on=machine(),
        files={MODEL_FILE: digest_of(model.path.read_bytes()), REFERENCE_FILE: key},
        golden=(),
    )
    classifier = Classifier(card=card, reference=reference, forward=forward, network=model.network)
    return UsableModel(
        classifier=classifier,
        mapper=model.heat_mapper(prepare, lambda given: forward(given)[0]),
        held_out=None
        if len(others) < FEWEST
        else HeldOut(
            name=f"{len(others)} labelled images that confirmed the preprocessing",
            key=key,
            read=lambda: (pixels[others], images.labels[others]),
        ),
        recorded=RecordedPredictions(
            class_names=found.class_names,
            files=tuple(images.files[place] for place in others.tolist()),
            digests=None,
            reading=None,
            content_digest=None,
            labels=places[others],
            probabilities=probabilities[others],
        ),
    )
