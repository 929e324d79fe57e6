"""Can the network learn a few images by heart? One that cannot is not kept from it by data, penalties or too few steps.

Its own network and loss, without augmentation and penalties, by Adam at a usual rate, on one batch, again and again.
"""

import dataclasses

import numpy as np

from cnnexp.config import ExperimentConfig
from cnnexp.datasets import Split, Splits
from cnnexp.records import PretrainedNetwork
from cnnexp.runs.probes.short_training import ShortTraining, Start, at_places, train_briefly

IMAGES = 32
STEPS = 200
LEARNING_RATE = 0.002
OVERRIDES = (
    *("augmentation=none", "regularization=none", "schedule=constant", "optimizer=adam"),
    *(f"optimizer.learning_rate={LEARNING_RATE}", "training.patience=null", f"training.epochs={STEPS}"),
    *(f"training.batch_size={IMAGES}", "training.accumulate=1", "training.ema=null", "training.soup=1"),
    "training.sampling=shuffled",
)
LEARNED = 0.97  # share of the batch


def learn_one_batch(
    config: ExperimentConfig, splits: Splits, pretrained: PretrainedNetwork | None, *, seconds: float, start: Start
) -> ShortTraining:
    """Train on one batch until it is learned; `config` is the run's with `OVERRIDES`."""
    batch = _batch(splits.train, len(splits.class_names))
    few = dataclasses.replace(splits, train=batch, validation=batch)
    return train_briefly(config, few, pretrained, seconds=seconds, start=start, enough=LEARNED)


def _batch(train: Split, classes: int) -> Split:
    """Return `IMAGES` training images, as many of each class as of any other."""
    by_class = [np.flatnonzero(train.labels == label)[: -(-IMAGES // classes)] for label in range(classes)]
    turns = [own[turn] for turn in range(-(-IMAGES // classes)) for own in by_class if turn < len(own)]
    return at_places(train, np.array(turns[:IMAGES], np.int64))
