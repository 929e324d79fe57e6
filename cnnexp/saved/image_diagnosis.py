"""Why is an image answered as it is? A saved model, its training images and one file after the other."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from cnnexp.diagnosis.image.class_record import ClassRecord, class_record
from cnnexp.diagnosis.image.file_facts import judge_file
from cnnexp.diagnosis.image.verdict import ImageEvidence, judge
from cnnexp.errors import ConfigError
from cnnexp.portable.classifier import Classifier
from cnnexp.records import Finding, RecordedPredictions
from cnnexp.saved.file_facts import read_facts, training_facts
from cnnexp.saved.image_files import ListedImage
from cnnexp.saved.prediction import Prediction, predict
from cnnexp.system.text import did_you_mean, listed

NEIGHBOURS = 6  # training images that are named
COVERAGE = 0.9  # of the prediction sets


@dataclass(frozen=True, kw_only=True, slots=True)
class ImageDiagnosis:
    """Everything that is known of one image, and the verdict."""

    prediction: Prediction
    facts: tuple[Finding, ...]  # of the file alone
    nearest: tuple[tuple[str, str], ...]  # file and label of the training images most like it, nearest first
    record: ClassRecord | None  # of the true class, else of the answer; None: no recorded test answers
    verdict: Finding | None  # None: it could not be read


def diagnose_images(
    model: Classifier, items: Iterable[ListedImage], *, recorded: RecordedPredictions | None, true_label: str | None
) -> Iterator[ImageDiagnosis]:
    """Diagnose each image, in the order of the list.

    Args:
        model: See `saved.open_model`.
        items: See `saved.list_images`.
        recorded: The answers for the run's test images; None: there are none.
        true_label: The class that all these images show; None: it is not known.

    Raises:
        ConfigError: The model has no such class.

    """
    names = model.card.class_names
    if true_label is not None and true_label not in names:
        raise ConfigError(
            f"--true must be one of the model's classes, {listed(names, most=20)}; got {true_label!r}."
            f"{did_you_mean(true_label, names)}"
        )
    known = list(items)
    for item, prediction in zip(known, predict(model, known, coverage=COVERAGE, neighbours=NEIGHBOURS), strict=True):
        yield _diagnose(model, item, prediction, recorded, true_label)


def _diagnose(
    model: Classifier,
    item: ListedImage,
    prediction: Prediction,
    recorded: RecordedPredictions | None,
    true_label: str | None,
) -> ImageDiagnosis:
    answer, pixels = prediction.answer, prediction.pixels
    if answer is None or pixels is None:
        return ImageDiagnosis(prediction=prediction, facts=(), nearest=(), record=None, verdict=None)
    facts = judge_file(read_facts(item, pixels, model.card.image), training_facts(model))
    reference, names = model.reference, model.card.class_names
    nearest = tuple((reference.files[row], names[reference.labels[row]]) for row in prediction.nearest)
    record = None if recorded is None else _record(true_label or answer.label, recorded)
    verdict = judge(
        ImageEvidence(
            facts=facts,
            label=answer.label,
            probability=answer.probability,
            prediction_set=answer.prediction_set,
            true_label=true_label,
            p_value=answer.p_value,
            unlike_p=model.card.thresholds.unlike_p,
            record=record,
            neighbours=[label for _, label in nearest],
        )
    )
    return ImageDiagnosis(prediction=prediction, facts=facts, nearest=nearest, record=record, verdict=verdict)


def _record(name: str, recorded: RecordedPredictions) -> ClassRecord | None:
    if name not in recorded.class_names:
        return None
    return class_record(name, recorded.class_names, recorded.labels, recorded.predicted)
