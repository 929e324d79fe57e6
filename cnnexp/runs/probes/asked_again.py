"""The recorded model and its data, asked again: are they those of the run, and what do passes without training say?"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

from cnnexp.datasets import Splits
from cnnexp.datasets.image_digests import image_digests
from cnnexp.diagnosis import Sample
from cnnexp.diagnosis.network_faults import fresh_statistics_finding
from cnnexp.diagnosis.recomputed import ImagesNow, compare_answers, compare_data, compare_metric
from cnnexp.diagnosis.shortcut import find_shortcut, shortcut_finding
from cnnexp.records import Finding, RecordedPredictions
from cnnexp.runs.probes.short_training import some_of
from cnnexp.runs.probes.trained_network import TrainedNetwork, with_fresh_statistics
from cnnexp.training import Network

MOST_MIXED = 400  # validation images, spots of which are exchanged


@dataclass(frozen=True, slots=True)
class AskedAgain:
    """What came of it."""

    findings: tuple[Finding, ...]
    refuted: tuple[str, ...]  # ids of findings that a pass speaks against
    is_another_run: bool


def ask_again(
    predictions: RecordedPredictions | None,
    metrics: Mapping[str, float],
    splits: Splits,
    trained: TrainedNetwork | None,
) -> AskedAgain:
    """Compare a run with its record, and ask its network about changed images and statistics."""
    other = _another_run(predictions, metrics, splits, trained)
    if other or trained is None:
        return AskedAgain(other, (), any(finding.id == "E4" for finding in other))
    findings = list(other)
    fresh = with_fresh_statistics(trained)
    stale = None if fresh is None else fresh_statistics_finding(*fresh)
    validation = some_of(splits.validation, most=MOST_MIXED)
    sample = Sample(validation.images[validation.rows], validation.labels)
    spot = find_shortcut(sample, trained.predict)
    findings += [] if stale is None else [stale]
    findings += [] if spot is None else [shortcut_finding(spot, split="validation", worse=None)]
    return AskedAgain(tuple(findings), ("M7",) if fresh is not None and stale is None else (), False)


def _another_run(
    predictions: RecordedPredictions | None,
    metrics: Mapping[str, float],
    splits: Splits,
    trained: TrainedNetwork | None,
) -> tuple[Finding, ...]:
    if predictions is None:
        return ()
    test = splits.test
    now = ImagesNow(image_digests(test.images, test.rows.tolist()), test.labels)
    found = [compare_metric(predictions, metrics["test/accuracy"]), compare_data(predictions, now)]
    if trained is not None and found[1] is None:
        logits = Network(trained.model).logits(test.images, test.rows)
        answers = np.asarray(softmax(logits, axis=1))
        found.append(compare_answers(predictions, now, answers, metrics["test/accuracy"]))
    return tuple(one for one in found if one is not None)
