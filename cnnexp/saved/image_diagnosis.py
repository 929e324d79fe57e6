"""Why are images answered as they are? A saved model, its training images, and files: each, and all together."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from cnnexp.datasets.image_digests import as_numbers, image_digests
from cnnexp.diagnosis.image.class_record import ClassRecord, class_record
from cnnexp.diagnosis.image.confirm import Suspicion, suspect
from cnnexp.diagnosis.image.file_facts import TrainingFacts, judge_file
from cnnexp.diagnosis.image.restore import RESTORES, undone
from cnnexp.diagnosis.image.sets import FEWEST, SetSuspicion, suspect_set
from cnnexp.diagnosis.image.simulation import Values, described_views
from cnnexp.diagnosis.image.stability import stability
from cnnexp.diagnosis.image.verdict import ImageEvidence, judge, judge_set
from cnnexp.errors import ConfigError
from cnnexp.portable.classifier import Classifier
from cnnexp.portable.decision import decide
from cnnexp.records import Finding, Images, RecordedPredictions
from cnnexp.saved.file_facts import read_facts, training_facts
from cnnexp.saved.image_files import ListedImage
from cnnexp.saved.mismatches import Mismatches, answers_of
from cnnexp.saved.prediction import Prediction, predict
from cnnexp.system.text import did_you_mean, listed

NEIGHBOURS = 6  # training images that are named
COVERAGE = 0.9  # of the prediction sets
MOST_TOGETHER = 200  # images that are judged together, evenly spaced; more would add no evidence
_SEED = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class Undone:
    """What a model says of an image once a mismatch that was named is undone."""

    kind: str
    pixels: Images  # (H, W, C)
    label: str  # the answer
    probability: float


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageDiagnosis:
    """Everything that is known of one image, and the verdict."""

    prediction: Prediction
    facts: tuple[Finding, ...]  # of the file alone
    suspicion: Suspicion | None  # None: no mismatches were looked for
    undone: tuple[Undone, ...]  # for each kind that is named and can be undone
    nearest: tuple[tuple[str, str], ...]  # file and label of the training images most like it, nearest first
    record: ClassRecord | None  # of the true class, else of the answer; None: no recorded test answers
    stable: float | None  # share of small changes that leave the answer as it is, 0..1
    is_learned: bool  # whether the network was trained on this very image, as far as that was recorded
    verdict: Finding | None  # None: it could not be read


@dataclass(frozen=True, kw_only=True, slots=True)
class SetDiagnosis:
    """What is known of all images together."""

    suspicion: SetSuspicion
    verdict: Finding


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """Of the images of one command."""

    images: tuple[ImageDiagnosis, ...]
    together: SetDiagnosis | None  # None: they are too few, or no mismatches were looked for
    fitted_on: str | None  # what the ordinary images are that they were compared with; None: there are none


def diagnose_images(
    model: Classifier,
    items: Sequence[ListedImage],
    *,
    mismatches: Mismatches | None,
    recorded: RecordedPredictions | None,
    true_label: str | None,
) -> Diagnosis:
    """Diagnose each image, in the order of the list, and all together.

    Args:
        model: See `saved.open_model`.
        items: See `saved.list_images`.
        mismatches: See `mismatches_of`; None: none are looked for.
        recorded: The answers for the run's test images; None: there are none.
        true_label: The class that all these images show; None: it is not known.

    Raises:
        ConfigError: The model has no such class.

    """
    require_class(true_label, model.card.class_names)
    predictions = list(predict(model, items, coverage=COVERAGE, neighbours=NEIGHBOURS))
    stacked = [prediction.pixels for prediction in predictions if prediction.pixels is not None]
    pixels = np.stack(stacked) if stacked else np.empty((0, *model.card.image.shape), np.uint8)
    views = None if mismatches is None or not len(pixels) else described_views(pixels, mismatches.describe)
    suspicions = iter(_suspicions(pixels, views, mismatches))
    stable = iter(stability(pixels, partial(answers_of, model)) if len(pixels) else [])
    diagnose = partial(_diagnose, model, training_facts(model), mismatches, recorded, true_label)
    images = tuple(
        _unread(prediction) if prediction.answer is None else diagnose(item, prediction, next(suspicions), next(stable))
        for item, prediction in zip(items, predictions, strict=True)
    )
    return Diagnosis(
        images, _together(model, pixels, views, mismatches), None if mismatches is None else mismatches.fitted_on
    )


def require_class(true_label: str | None, names: Sequence[str]) -> None:
    """Refuse a class that the model does not have.

    Raises:
        ConfigError: it is none.

    """
    if true_label is not None and true_label not in names:
        raise ConfigError(
            f"--true must be one of the model's classes, {listed(names, most=20)}; got {true_label!r}."
            f"{did_you_mean(true_label, names)}"
        )


def _suspicions(pixels: Images, views: Values | None, mismatches: Mismatches | None) -> Sequence[Suspicion | None]:
    if mismatches is None or views is None:
        return [None] * len(pixels)
    describe, usual = mismatches.describe, mismatches.usual

    def restored(place: int, kind: str) -> Values:
        return describe(RESTORES[kind](pixels[place : place + 1], usual))

    return suspect(views, mismatches.detector, restored)


def _together(
    model: Classifier, pixels: Images, views: Values | None, mismatches: Mismatches | None
) -> SetDiagnosis | None:
    """Judge all images together, by their described views (V, N, D)."""
    if mismatches is None or views is None or len(pixels) < FEWEST:
        return None
    chosen = np.unique(np.linspace(0, len(pixels) - 1, MOST_TOGETHER).astype(np.int64))
    answers = answers_of(model, pixels[chosen])
    found = suspect_set(views[:, chosen], answers, mismatches.detector, mismatches.answers, seed=_SEED)
    return SetDiagnosis(suspicion=found, verdict=judge_set(found, mismatches.kinds))


def _unread(prediction: Prediction) -> ImageDiagnosis:
    return ImageDiagnosis(
        prediction=prediction,
        facts=(),
        suspicion=None,
        undone=(),
        nearest=(),
        record=None,
        stable=None,
        is_learned=False,
        verdict=None,
    )


def _diagnose(
    model: Classifier,
    training: TrainingFacts,
    mismatches: Mismatches | None,
    recorded: RecordedPredictions | None,
    true_label: str | None,
    item: ListedImage,
    prediction: Prediction,
    suspicion: Suspicion | None,
    stable: float,
) -> ImageDiagnosis:
    answer, pixels = prediction.answer, prediction.pixels
    assert answer is not None
    assert pixels is not None
    facts = judge_file(read_facts(item, pixels, model.card.image), training)
    reference, names = model.reference, model.card.class_names
    nearest = tuple((reference.files[row], names[reference.labels[row]]) for row in prediction.nearest)
    record = None if recorded is None else _record(true_label or answer.label, recorded)
    is_learned = reference.trained_on is not None and _digest(pixels) in reference.trained_on
    evidence = ImageEvidence(
        facts=facts,
        label=answer.label,
        probability=answer.probability,
        prediction_set=answer.prediction_set,
        true_label=true_label,
        p_value=answer.p_value,
        unlike_p=model.card.thresholds.unlike_p,
        record=record,
        neighbours=[label for _, label in nearest],
        suspicion=suspicion,
        stable=stable,
        is_learned=is_learned,
    )
    return ImageDiagnosis(
        prediction=prediction,
        facts=facts,
        suspicion=suspicion,
        undone=() if mismatches is None or suspicion is None else _undone(model, pixels, suspicion, mismatches),
        nearest=nearest,
        record=record,
        stable=stable,
        is_learned=is_learned,
        verdict=judge(evidence, () if mismatches is None else mismatches.kinds),
    )


def _undone(model: Classifier, pixels: Images, suspicion: Suspicion, mismatches: Mismatches) -> tuple[Undone, ...]:
    found = list[Undone]()
    for one in suspicion.named:
        images = undone(pixels[None], one.kind, mismatches.usual)
        if images is not None:
            probabilities, _ = model.forward(images)
            answer = int(decide(probabilities, model.card.class_names, model.card.decision)[0])
            label = model.card.class_names[answer]
            found.append(
                Undone(kind=one.kind, pixels=images[0], label=label, probability=float(probabilities[0, answer]))
            )
    return tuple(found)


def _digest(pixels: Images) -> np.uint64:
    """Return the digest of an image (H, W, C), as a card has those of all training images."""
    digest: np.uint64 = as_numbers(image_digests(pixels[None], [0]))[0]
    return digest


def _record(name: str, recorded: RecordedPredictions) -> ClassRecord | None:
    if name not in recorded.class_names:
        return None
    return class_record(name, recorded.class_names, recorded.labels, recorded.predicted)
