"""Greedy soup of the weights of several runs, the best one first, by the validation images that all of them share."""

from collections.abc import Mapping
from dataclasses import dataclass

import keras
import numpy as np

from cnnexp.datasets import Split, Splits
from cnnexp.errors import ConfigError
from cnnexp.system.text import plural
from cnnexp.training import Network, Weights, greedy_soup, loss_and_accuracy


@dataclass(frozen=True, slots=True)
class RunsSoup:
    """A model with the mean of the weights of some runs, not calibrated."""

    model: keras.Model
    runs: tuple[str, ...]  # ids, the best first; empty: no mean was asked for
    left_out: tuple[str, ...]  # ids of runs that would have made it worse
    notes: tuple[str, ...]


def soup_of(models: Mapping[str, keras.Model], splits: Splits, *, monitor: str) -> RunsSoup:
    """Return the greedy soup of models by the ids of their runs; `monitor` is val/loss or val/accuracy.

    Raises:
        ConfigError: there is one model, no validation image, or the models have different weights.

    """
    _require_alike(models)
    if not len(splits.validation):
        raise ConfigError("--soup chooses by the validation images, and these runs have none: data.validation=0.")
    network = Network(next(iter(models.values())))
    weights = {run: model.get_weights() for run, model in models.items()}

    def score_of(candidate: Weights) -> float:
        network.model.set_weights(candidate)
        return _score(network, splits.validation, monitor)

    scores = {run: score_of(own) for run, own in weights.items()}
    ranked = sorted(models, key=lambda run: -scores[run])
    soup = greedy_soup([weights[run] for run in ranked], score_of)
    network.model.set_weights(soup.weights)
    members = tuple(ranked[place] for place in soup.members)
    note = _note(ranked, members, soup.tried, soup.score, monitor)
    return RunsSoup(network.model, members, tuple(run for run in ranked if run not in members), (note,))


def _score(network: Network, validation: Split, monitor: str) -> float:
    logits = network.logits(validation.images, validation.rows)
    loss, accuracy = loss_and_accuracy(logits, validation.labels)
    return -loss if monitor == "val/loss" else accuracy


def _require_alike(models: Mapping[str, keras.Model]) -> None:
    if len(models) < 2:
        raise ConfigError(
            "--soup averages the weights of several runs of one network; got one run. Name a sweep over seeds, or "
            "several runs: RUN RUN RUN --soup."
        )
    shapes = {run: [(weight.path, tuple(weight.shape)) for weight in model.weights] for run, model in models.items()}
    (first, own), *others = shapes.items()
    different = next((run for run, theirs in others if theirs != own), None)
    if different is not None:
        raise ConfigError(
            f"--soup averages weights, so its runs must have the same layers; those of {first[:12]} and "
            f"{different[:12]} differ. Name the runs of one setting."
        )


def _note(ranked: list[str], members: tuple[str, ...], tried: tuple[float, ...], score: float, monitor: str) -> str:
    """Say what the rule came to: its first score is that of the best run alone, its second that with another one."""

    def value(number: float) -> str:
        return f"{-number:.4g}" if monitor == "val/loss" else f"{number:.4f}"

    metric = "validation loss" if monitor == "val/loss" else "validation accuracy"
    if len(members) > 1:
        return (
            f"The weights are the mean of those of {len(members)} of {plural(len(ranked), 'run')}: {metric} "
            f"{value(score)}, of the best run alone {value(tried[0])}."
        )
    nearest = float(np.nanmax(tried[1:])) if not np.isnan(tried[1:]).all() else float("nan")
    return (
        f"No soup: with the weights of any other run the {metric} gets worse, {value(nearest)} at best; run "
        f"{members[0][:12]} alone has {value(tried[0])}, and its weights are taken. Networks that start from different "
        "random weights have no useful mean, be it those of a new head; runs that continue one run may: model=from_run."
    )
