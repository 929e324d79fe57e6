"""Is this *model* better on these images? Paired image by image."""

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from cnnexp.comparison.metric import Metric
from cnnexp.comparison.paired import Estimate, PairedTest, accuracy_difference, holm, mcnemar_mid_p
from cnnexp.comparison.result import Difference, ModelDifference
from cnnexp.comparison.seeds import as_gain
from cnnexp.records import Labels, Probabilities, RecordedPredictions, RunSummary

MCNEMAR = "McNemar's mid-p test on the images that one of the two gets right"
BOOTSTRAP = "paired bootstrap over the test images"
BOOTSTRAPPED = (
    "balanced_accuracy", "macro_precision", "macro_recall", "macro_f1", "weighted_precision", "weighted_recall",
    "weighted_f1", "roc_auc", "pr_auc", "log_loss", "brier", "ece",
)  # fmt: skip
_SEED = 0  # of the resamples: the same comparison gives the same numbers


def identify_test_images(runs: Sequence[RunSummary]) -> dict[str, str]:
    """What identifies the test images of each run: run id -> key, equal for the same files with the same labels.

    Runs with the same data digest are read once. Another digest may still mean the same test images (a smaller training
    set, another input size), so the recorded file names and labels of one run of each digest decide.
    """
    keys: dict[tuple[str | None, ...], str] = {}
    for run in runs:
        digest = _digest(run)
        if digest not in keys:
            keys[digest] = _content_key(run) or "/".join(str(part) for part in digest)
    return {run.run_id: keys[_digest(run)] for run in runs}


def _digest(run: RunSummary) -> tuple[str | None, ...]:
    split = ("data", "data.path", "data.split_seed", "data.test")
    return (run.data_digest, *(run.settings.get(name) for name in split))


def _content_key(run: RunSummary) -> str | None:
    predictions = run.read_predictions()
    if predictions is None:
        return None
    data = run.settings.get("data", "")  # every built-in data set has an index-0
    content = hashlib.sha256("\0".join((data, *predictions.class_names, *predictions.files)).encode())
    content.update(predictions.labels.tobytes())
    return content.hexdigest()


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
    of_reference = reference.read_predictions()
    if of_reference is None or not others or name_of_test(metric) is None:
        return ()
    recorded = [(run, predictions) for run in others if (predictions := run.read_predictions()) is not None]
    tests = _tests(of_reference, [aligned(of_reference, predictions) for _, predictions in recorded], metric)
    adjusted = holm([test.p for test in tests if test.p is not None])
    return tuple(
        _difference(run, test, float(p), of_reference, aligned(of_reference, predictions), metric)
        for (run, predictions), test, p in zip(recorded, tests, adjusted, strict=True)
    )


def aligned(reference: RecordedPredictions, other: RecordedPredictions) -> Probabilities:
    """The other model's probabilities in the reference's order of images; both hold the same files.

    Raises ValueError if they do not: pairing different images would be worse than no answer.
    """
    if reference.files == other.files:
        return other.probabilities
    if sorted(reference.files) != sorted(other.files):
        raise ValueError("paired tests need the same test images under both models")
    position = {file: index for index, file in enumerate(other.files)}
    return other.probabilities[[position[file] for file in reference.files]]


def correct(labels: Labels, probabilities: Probabilities) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which images (N,) are given their own class."""
    return np.asarray(probabilities.argmax(axis=1) == labels)


def _tests(reference: RecordedPredictions, others: Sequence[Probabilities], metric: Metric) -> tuple[PairedTest, ...]:
    if name_of_test(metric) == MCNEMAR:
        return tuple(_mcnemar(*_discordant(reference, other), len(reference.labels)) for other in others)
    from cnnexp.comparison.paired_bootstrap import paired_bootstrap  # accuracy, the usual case, needs no scipy.sparse

    return paired_bootstrap(
        metric=metric.short,
        labels=reference.labels,
        reference=reference.probabilities,
        others=others,
        seed=_SEED,
    )


def _mcnemar(only_other: int, only_reference: int, images: int) -> PairedTest:
    return PairedTest(
        accuracy_difference(only_other, only_reference, images), mcnemar_mid_p(only_other, only_reference)
    )


def _discordant(reference: RecordedPredictions, other: Probabilities) -> tuple[int, int]:
    """Images that only the other model has right, and only the reference."""
    first, second = correct(reference.labels, other), correct(reference.labels, reference.probabilities)
    return int((first & ~second).sum()), int((second & ~first).sum())


def _difference(
    run: RunSummary,
    test: PairedTest,
    p_adjusted: float,
    reference: RecordedPredictions,
    other: Probabilities,
    metric: Metric,
) -> ModelDifference:
    only_other, only_reference = _discordant(reference, other)
    gain: Estimate = as_gain(test.estimate, metric)
    return ModelDifference(run, Difference(gain, test.p, p_adjusted), only_other, only_reference)


def groups_by_images(runs: Sequence[RunSummary], images: Mapping[str, str]) -> tuple[tuple[RunSummary, ...], ...]:
    """The runs by their test images, largest group first."""
    groups: dict[str, list[RunSummary]] = {}
    for run in runs:
        groups.setdefault(images[run.run_id], []).append(run)
    return tuple(tuple(group) for group in sorted(groups.values(), key=len, reverse=True))
