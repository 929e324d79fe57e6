"""Is this *model* better on these images? Paired image by image."""

import dataclasses
from collections.abc import Sequence

import numpy as np

from cnnexp.comparison.folds import folds_compared
from cnnexp.comparison.metric import Metric
from cnnexp.comparison.paired import Estimate, PairedTest, accuracy_difference, holm, mcnemar_mid_p
from cnnexp.comparison.result import Difference, FoldDifference, ModelDifference
from cnnexp.comparison.seeds import as_gain
from cnnexp.comparison.tested_images import have_comparable_pixels
from cnnexp.records import Labels, RecordedPredictions, RunSummary

MCNEMAR = "McNemar's mid-p test on the images that one of the two gets right"
BOOTSTRAP = "paired bootstrap over the test images"
BOOTSTRAPPED = (
    "balanced_accuracy", "macro_precision", "macro_recall", "macro_f1", "weighted_precision", "weighted_recall",
    "weighted_f1", "roc_auc", "pr_auc", "log_loss", "brier", "ece",
)  # fmt: skip
_SEED = 0  # of the resamples: the same comparison gives the same numbers


def name_of_test(metric: Metric) -> str | None:
    """How models are compared in this metric; None where it cannot be tested image by image."""
    if not metric.name.startswith("test/"):
        return None
    if metric.short == "accuracy":
        return MCNEMAR
    return BOOTSTRAP if metric.short in BOOTSTRAPPED else None


def compare_models(reference: RunSummary, others: Sequence[RunSummary], metric: Metric) -> tuple[ModelDifference, ...]:
    """Each of ``others`` against ``reference``, Holm-corrected; those without recorded predictions are left out.

    The reference was chosen on validation images, not on these test images, and no model is trained again: so only
    the comparisons made need a correction here, unlike over seeds.
    """
    if not others or name_of_test(metric) is None or (of_reference := reference.read_predictions()) is None:
        return ()
    recorded = [(run, predictions) for run in others if (predictions := run.read_predictions()) is not None]
    folds = [folds_compared(of_reference, predictions, metric) for _, predictions in recorded]
    by_image = _tests(of_reference, [aligned(of_reference, predictions) for _, predictions in recorded], metric)
    tests = [_careful(test, by_fold, metric) for test, by_fold in zip(by_image, folds, strict=True)]
    adjusted = holm([test.p for test in tests if test.p is not None])
    return tuple(
        _difference(run, test, float(p), of_reference, aligned(of_reference, predictions), by_fold)
        for (run, predictions), test, p, by_fold in zip(recorded, tests, adjusted, folds, strict=True)
    )


def _careful(by_image: PairedTest, by_fold: FoldDifference | None, metric: Metric) -> PairedTest:
    """Return the test of a gain: positive is better. Between runs of folds it has to show in both ways.

    By image alone, it would speak of the folds' models, and none of them is used afterwards: of two settings that are
    equally good, 12 % were told apart at 4 % (benchmarks/folds_simulation.py).
    """
    gain = as_gain(by_image.estimate, metric)
    if by_fold is None or by_fold.p is None or by_image.p is None:
        return PairedTest(gain, by_image.p)
    ends = [(each.low, each.high) for each in (gain, by_fold.gain) if each.low is not None and each.high is not None]
    wider = Estimate(gain.mean, min(low for low, _ in ends), max(high for _, high in ends), gain.n)
    return PairedTest(wider, max(by_image.p, by_fold.p))


def aligned(reference: RecordedPredictions, other: RecordedPredictions) -> RecordedPredictions:
    """The other model's probabilities and answers in the reference's order of images; both hold the same images.

    Raises ValueError if they do not: pairing different images would be worse than no answer.
    """
    if reference.files == other.files and reference.digests == other.digests:
        return other
    keys, other_keys = _names_of_images(reference, other), _names_of_images(other, reference)
    order, other_order = (sorted(range(len(each)), key=each.__getitem__) for each in (keys, other_keys))
    if len(order) != len(other_order) or any(
        keys[one][:-1] != other_keys[same][:-1] for one, same in zip(order, other_order, strict=True)
    ):
        raise ValueError("paired tests need the same test images under both models")
    places = np.empty(len(order), np.int64)
    places[order] = other_order
    return dataclasses.replace(
        reference, probabilities=other.probabilities[places], decided=other.predicted[places], folds=None
    )


def _names_of_images(own: RecordedPredictions, other: RecordedPredictions) -> list[tuple[str, ...]]:
    """What an image is known by in both, and at the end its file, which tells copies apart that have one label."""
    if not have_comparable_pixels(own, other) or own.digests is None:
        return [(file, "") for file in own.files]
    labels = (own.class_names[label] for label in own.labels.tolist())
    return list(zip(own.digests, labels, own.files, strict=True))


def correct(labels: Labels, predicted: Labels) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which images (N,) are given their own class."""
    return np.asarray(predicted == labels)


def _tests(
    reference: RecordedPredictions, others: Sequence[RecordedPredictions], metric: Metric
) -> tuple[PairedTest, ...]:
    if name_of_test(metric) == MCNEMAR:
        return tuple(_mcnemar(*_discordant(reference, other), len(reference.labels)) for other in others)
    from cnnexp.comparison.paired_bootstrap import paired_bootstrap  # accuracy, the usual case, needs no scipy.sparse

    return paired_bootstrap(
        metric=metric.short,
        labels=reference.labels,
        reference=reference.probabilities,
        others=[other.probabilities for other in others],
        predicted=[each.predicted for each in (reference, *others)],
        seed=_SEED,
    )


def _mcnemar(only_other: int, only_reference: int, images: int) -> PairedTest:
    return PairedTest(
        accuracy_difference(only_other, only_reference, images), mcnemar_mid_p(only_other, only_reference)
    )


def _discordant(reference: RecordedPredictions, other: RecordedPredictions) -> tuple[int, int]:
    """Images that only the other model has right, and only the reference."""
    first, second = (correct(reference.labels, each.predicted) for each in (other, reference))
    return int((first & ~second).sum()), int((second & ~first).sum())


def _difference(
    run: RunSummary,
    test: PairedTest,
    p_adjusted: float,
    reference: RecordedPredictions,
    other: RecordedPredictions,
    by_fold: FoldDifference | None,
) -> ModelDifference:
    only_other, only_reference = _discordant(reference, other)
    difference = Difference(test.estimate, test.p, p_adjusted)
    return ModelDifference(run, difference, only_other, only_reference, by_fold)
