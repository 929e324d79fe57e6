"""Records evaluations of saved models: one as a run of its own, several as children of one parent run."""

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from cnnexp.config import TrackingConfig
from cnnexp.portable.classifier import Classifier
from cnnexp.records import RecordedPredictions
from cnnexp.runs import artifacts
from cnnexp.runs.evaluation_context import against_plain, evaluation_context
from cnnexp.saved import reevaluation
from cnnexp.saved.answer_time import seconds_per_image
from cnnexp.saved.changes import Change
from cnnexp.saved.evaluation_set import EvaluationSet
from cnnexp.saved.reevaluation import Reevaluation
from cnnexp.system.text import markdown
from cnnexp.tracking import OwnedRecord, Receipt, raising_on_sigterm, recording
from cnnexp.tracking.outbox import entries
from cnnexp.tracking.outbox.record_folder import Entry
from cnnexp.tracking.store.connection import absolute_uri, reach
from cnnexp.tracking.tags import EVALUATES, PARENT, SWEEP_ID


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationTarget:
    """A saved model to evaluate, and what its evaluations are recorded with."""

    model: Classifier
    folder: Path
    name: str  # of its run or folder
    origin: str  # id of its run, or the folder
    seed: int
    tracking: TrackingConfig
    parameters: Mapping[str, entries.Parameter]  # data settings and seed
    config_yaml: str
    own_test: RecordedPredictions | None  # of its run, for its own test images; None: they are not known
    variant: Mapping[str, str]  # what was done to the model after its training, as settings; empty: nothing
    notes: tuple[str, ...]  # about that


@dataclass(frozen=True, kw_only=True, slots=True)
class PlainModel:
    """The model that a variant was made of, and the same images as it takes them."""

    model: Classifier
    folder: Path
    name: str  # of its run
    images: EvaluationSet


@dataclass(frozen=True, slots=True)
class RecordedEvaluation:
    """An evaluation, what its score means, and where it was recorded."""

    result: Reevaluation
    context: Mapping[str, str]  # see `evaluation_context`
    receipt: Receipt


def record_evaluation(
    target: EvaluationTarget,
    images: EvaluationSet,
    change: Change,
    *,
    setting: Mapping[str, str],
    parent_id: str | None,
    plain: PlainModel | None = None,
) -> RecordedEvaluation:
    """Evaluate one model on images, changed or not, and record the result; `setting` is the change as recorded.

    A variant is compared with the `plain` model it was made of, on the same images, changed alike.

    Raises:
        CnnexpError: the change is impossible with these images, or the store refuses.

    """
    name = "-".join([target.name, *target.variant.values(), "on", images.name]).replace(",", "x")
    with recording(
        target.tracking,
        run_name=name if change is None else f"{name}-{change}".replace(" ", "_"),
        parameters={**target.parameters, **setting, **target.variant},
        config_yaml=target.config_yaml,
        tags={EVALUATES: target.origin} | ({} if parent_id is None else {PARENT: parent_id, SWEEP_ID: parent_id}),
    ) as recorder:
        model = reevaluation.changed_model(target.model, target.folder, change)
        result = reevaluation.reevaluate(model, images, change=change, seed=target.seed)
        context = evaluation_context(result, images, model, target.own_test if plain is None else None)
        if plain is not None:
            result, compared = _with_plain(result, target, plain, model, change)
            context = {**compared, **context}
        recorder.evaluated(
            dataset=_dataset(images, result, model),
            metrics=result.metrics,
            description=_description(images, result, change, target.origin, context),
        )
        card = model.card.as_dict()
        predictions, content = {"test": result.predictions}, images.content_digest
        recorder.files(artifacts.evaluation_files(result.evaluation, predictions, card, content_digest=content))
        recorder.files({"card.json": artifacts.to_json(card)})
    return RecordedEvaluation(result, context, recorder.receipt)


def _with_plain(
    result: Reevaluation, target: EvaluationTarget, plain: PlainModel, model: Classifier, change: Change
) -> tuple[Reevaluation, Mapping[str, str]]:
    """Return the result with the numbers of the plain model beside it, and what the difference is and costs."""
    before = reevaluation.changed_model(plain.model, plain.folder, change)
    theirs = reevaluation.reevaluate(before, plain.images, change=change, seed=target.seed)
    seconds, plain_seconds = seconds_per_image([model, before])
    metrics = {
        **result.metrics,
        "plain/accuracy": theirs.metrics["test/accuracy"],
        "plain/log_loss": theirs.metrics["test/log_loss"],
        "plain/seconds_per_image": plain_seconds,
        "seconds_per_image": seconds,
    }
    sentences = {
        "variant": f"{model.card.variant_summary}.",
        "plain": against_plain(result, theirs, name=plain.name, seconds=seconds, plain_seconds=plain_seconds),
    }
    notes = (*result.notes, *target.notes)
    return dataclasses.replace(result, metrics=metrics, notes=notes), sentences


@contextmanager
def parent_run(tracking: TrackingConfig, *, name: str, varied: Mapping[str, str], origin: str) -> Iterator[str]:
    """Yield the id of a parent run for the evaluations in the block; the run ends with the block.

    Raises:
        TrackingError: the store cannot be reached, or refuses.

    """
    reach(absolute_uri(tracking.uri))
    record = OwnedRecord.begin(
        tracking, run_name=name, parameters=varied, config_yaml=None, tags={EVALUATES: origin}, commit=None
    )
    status = "FAILED"
    try:
        with raising_on_sigterm():
            yield record.wait_for_run_id()
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        record.end(status)
        record.wait()


def title(images: EvaluationSet, change: Change) -> str:
    """Return a title such as "digits, test split, blur 1.5"."""
    return f"{images.name}, {images.part}" + ("" if change is None else f", {change}")


def _dataset(images: EvaluationSet, result: Reevaluation, model: Classifier) -> Entry:
    return entries.evaluated_dataset(
        name=images.name,
        digest=images.digest,
        source=images.source,
        class_names=model.card.class_names,
        counts={"test": [score.support for score in result.evaluation.per_class]},
        input_shape=model.card.image.shape,
    )


def _description(
    images: EvaluationSet, result: Reevaluation, change: Change, origin: str, context: Mapping[str, str]
) -> str:
    low, high = result.evaluation.intervals["accuracy"]
    lines = [
        f"**accuracy {result.metrics['test/accuracy']:.3f}** ({low:.3f} to {high:.3f}) "
        f"on {markdown(title(images, change))}.",
        f"An evaluation of the model of {markdown(origin)}.",
        *(markdown(f"{name}: {sentence}") for name, sentence in context.items()),
        *map(markdown, result.notes),
    ]
    return "\n\n".join(lines)
