"""The decision that a run is asked for: refused before training where it cannot be chosen, chosen after it."""

import math
from collections.abc import Sequence

import numpy as np

from cnnexp.config import DecisionConfig
from cnnexp.datasets import Splits
from cnnexp.errors import ConfigError, DataError
from cnnexp.evaluation import MINIMUM_IMAGES, choose_threshold, fewest_positives
from cnnexp.portable.decision import Decision
from cnnexp.records import Labels, Probabilities
from cnnexp.system.text import did_you_mean, listed, plural

LARGEST_CALIBRATION = 0.5  # share of the images that is proposed; above, little is left to train on


def require_decidable(config: DecisionConfig, splits: Splits, *, calibration: float) -> None:
    """Refuse a decision that these images cannot give; `calibration` is the share of the split, `data.calibration`.

    Raises:
        ConfigError: there are not two classes, or the class is none of them.
        DataError: the calibration split is too small.

    """
    if config.rule is None:
        return
    names = splits.class_names
    if len(names) != 2:
        raise ConfigError(
            f"decision.positive is for data with two classes; {splits.name} has {len(names)}: "
            f"{listed(names, most=10)}. Leave out decision.positive and decision.{config.rule[0]}."
        )
    if config.positive not in names:
        raise ConfigError(
            f"decision.positive must be one of {', '.join(names)}; got {config.positive!r}."
            f"{did_you_mean(str(config.positive), names)}"
        )
    _require_images(config, splits, calibration)


def _require_images(config: DecisionConfig, splits: Splits, calibration: float) -> None:
    assert config.rule is not None
    rule, wanted = config.rule
    positive = splits.class_names.index(str(config.positive))
    images, own = len(splits.calibration), int((splits.calibration.labels == positive).sum())
    least = fewest_positives(rule, wanted)
    if images >= MINIMUM_IMAGES and own >= least:
        return
    if calibration:
        repair = _repair(config.rule, images, own, least, calibration)
    else:  # none was wanted: it is taken from what is trained on now
        train = splits.train.labels
        repair = _repair(config.rule, len(train), int((train == positive).sum()), least, 1.0)
    raise DataError(
        f"decision.{rule}={wanted:g} needs at least {plural(MINIMUM_IMAGES, 'calibration image')}, {least} of them of "
        f"{config.positive}; the split has {images}, {own} of them. {repair}"
    )


def _repair(rule: tuple[str, float], images: int, own: int, least: int, calibration: float) -> str:
    """Return the share that gives enough images, as a setting to type; where none does, what else would."""
    if own and calibration:
        share = math.ceil(100 * calibration * max(MINIMUM_IMAGES / images, least / own)) / 100
        if share <= LARGEST_CALIBRATION:
            return f"Add data.calibration={share:g}."
    reachable = math.floor(100 * own / (own + 1)) / 100
    if rule[0] != "cost" and images >= MINIMUM_IMAGES and reachable:
        return f"Add images, or want less: decision.{rule[0]}={reachable:g}."
    return "Add images."


def choose_decision(
    config: DecisionConfig, probabilities: Probabilities, labels: Labels, class_names: Sequence[str]
) -> tuple[Decision | None, tuple[str, ...]]:
    """Return the decision that was asked for, and notes; probabilities are those of the calibration split, (N, 2).

    It is None where none was asked for, or no threshold gives the precision; a note says so.
    """
    if config.rule is None:
        return None, ()
    rule, wanted = config.rule
    positive = str(config.positive)
    decision = choose_threshold(
        probabilities, labels, class_names=class_names, positive=positive, rule=rule, wanted=wanted
    )
    if decision is not None:
        return decision, ()
    count = int(np.sum(labels == list(class_names).index(positive)))
    return None, (
        f"No threshold gives decision.precision={wanted:g} for {positive} on the calibration split, which has {count} "
        "images of it: the most probable class is answered. Want less, or train a better model.",
    )
