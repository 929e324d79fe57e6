"""Are the images of one split changed beside those of another? Asked here where that took too long at the run's end."""

import dataclasses

import numpy as np
from scipy.special import softmax

from cnnexp.datasets import Split, Splits
from cnnexp.diagnosis import Answers, SplitsEvidence, of_splits
from cnnexp.diagnosis.data_faults import placeholders
from cnnexp.records import DataReport, Finding
from cnnexp.runs.images_to_try import images_to_try
from cnnexp.runs.probes.short_training import some_of
from cnnexp.runs.probes.trained_network import TrainedNetwork
from cnnexp.training import Network

MOST_ANSWERED = 400  # images of a split
# Times vary: what takes longer than this share of the limit, the run may have left out.
SURELY_QUICK = 0.5


def look_at_splits(
    trained: TrainedNetwork, splits: Splits, report: DataReport, *, seed: int, seconds: float
) -> tuple[Finding, ...]:
    """Return what changes of pixels explain; nothing where a run of so many `seconds` of training tried them itself."""
    network = Network(trained.model)
    nothing = placeholders(report)
    images = images_to_try(splits, network, seed, seconds=seconds, limit=SURELY_QUICK, without=nothing)
    if images.is_quick():
        return ()
    answers = {name: _answers(network, splits[name]) for name in ("train", "validation", "test") if len(splits[name])}
    if "validation" not in answers:
        return ()
    return of_splits(
        SplitsEvidence(
            seed=seed,
            class_names=splits.class_names,
            val_accuracy=answers["validation"].accuracy,
            answers=answers,
            report=report,
            images=dataclasses.replace(images, is_quick=lambda: True),
        )
    )


def _answers(network: Network, split: Split) -> Answers:
    asked = some_of(split, most=MOST_ANSWERED)
    probabilities = softmax(network.logits(asked.images, asked.rows), axis=1)
    return Answers(asked.labels, np.asarray(probabilities, np.float32))
