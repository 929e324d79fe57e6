"""What the score of an evaluation means: beside the model's own test score, and how unusual the images are."""

import json

from cnnexp.comparison.paired import Estimate, accuracy_difference, in_points
from cnnexp.comparison.same_images import aligned, correct
from cnnexp.comparison.unpaired import difference_of_shares
from cnnexp.data_check import summary_of_images
from cnnexp.portable.classifier import Classifier
from cnnexp.records import RecordedPredictions
from cnnexp.saved.evaluation_set import EvaluationSet
from cnnexp.saved.reevaluation import Reevaluation
from cnnexp.system.text import plural

_MOST_ISSUES = 2  # sentences of the data check; `cnnexp check-data` has all


def evaluation_context(
    result: Reevaluation, images: EvaluationSet, model: Classifier, own: RecordedPredictions | None
) -> dict[str, str]:
    """Return a sentence each about the own test score, images unlike the training data, and the data check.

    `own` are the predictions of the model's run for its own test images; None: they are not known.
    """
    found = {
        "own test": own_test(result, images, model, own),
        "unlike": _unlike(result, model),
        "data": _data_check(images),
    }
    return {name: sentence for name, sentence in found.items() if sentence is not None}


def own_test(
    result: Reevaluation, images: EvaluationSet, model: Classifier, own: RecordedPredictions | None
) -> str | None:
    """Return how the accuracy compares with that on the model's own test images; None: that is not known."""
    if own is None or not len(own.labels):
        return None
    right = correct(own.labels, own.predicted)
    before = f"{right.mean():.3f} on its own {plural(len(right), 'test image')}"
    if (paired := _paired(result, images, model, own)) is not None:
        return f"{in_points(paired)} against {before}, the same images."
    hits = correct(result.predictions.labels, result.predictions.predicted)
    difference = difference_of_shares(int(hits.sum()), len(hits), int(right.sum()), len(right))
    return f"{in_points(difference)} against {before}, which are other images."


def against_plain(result: Reevaluation, plain: Reevaluation, *, name: str, seconds: float, plain_seconds: float) -> str:
    """Return what a variant changes, on the same images, against the plain model of run `name`, and what it costs."""
    now, before = (correct(one.predictions.labels, one.predictions.predicted) for one in (result, plain))
    difference = accuracy_difference(int((now & ~before).sum()), int((before & ~now).sum()), len(now))
    return (
        f"{in_points(difference)} against {before.mean():.3f} of {name} as it was trained, the same "
        f"{plural(len(now), 'image')}; {cost(seconds, plain_seconds)}."
    )


def cost(seconds: float, plain_seconds: float) -> str:
    """Return what an image takes with a variant, and without it."""
    times = seconds / plain_seconds
    return f"{1000 * seconds:.3g} ms an image instead of {1000 * plain_seconds:.3g} ms, {times:.2g} times"


def _paired(
    result: Reevaluation, images: EvaluationSet, model: Classifier, own: RecordedPredictions
) -> Estimate | None:
    """Return the difference on the same images; None if they are others, or that is not known."""
    here = RecordedPredictions(
        class_names=model.card.class_names,
        files=result.predictions.files,
        digests=result.predictions.digests,
        reading=json.dumps(model.card.as_dict()["image"], sort_keys=True),
        content_digest=images.content_digest,
        labels=result.predictions.labels,
        probabilities=result.predictions.probabilities,
        decided=result.predictions.decided,
    )
    if own.reading != here.reading and images.digest != model.card.data["digest"]:
        return None
    try:
        now = correct(own.labels, aligned(own, here).predicted)
    except ValueError:
        return None
    before = correct(own.labels, own.predicted)
    return accuracy_difference(int((now & ~before).sum()), int((before & ~now).sum()), len(now))


def _unlike(result: Reevaluation, model: Classifier) -> str | None:
    """Return how many images are unlike the training data; None: the model has no calibration images to tell."""
    if "test/unlike" not in result.metrics:
        return None
    count = len(result.predictions.labels)
    share, usual = result.metrics["test/unlike"], model.card.thresholds.unlike_p
    verb = "is" if round(share * count) == 1 else "are"
    return (
        f"{round(share * count):,} of {plural(count, 'image')} ({100 * share:.1f} %) {verb} unlike the training data; "
        f"of images like them, at most about {100 * usual:.0f} % would be."
    )


def _data_check(images: EvaluationSet) -> str:
    issues = summary_of_images(images.inspected)
    if not issues:
        return "the data check finds nothing remarkable in these images."
    more = (
        f" And {plural(len(issues) - _MOST_ISSUES, 'more finding')}: cnnexp check-data."
        if issues[_MOST_ISSUES:]
        else ""
    )
    return " ".join(issues[:_MOST_ISSUES]) + more
