"""Follow the advice of a diagnosis from any learning rate: where does it end?

A cell is one model, optimizer and data set. Its runs differ in learning rate and epochs alone; each is trained once,
when a walk comes by. A walk follows the surest finding that changes one of the two, until there is none.
"""

import dataclasses
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cnnexp.compose import compose_config
from cnnexp.config import ExperimentConfig
from cnnexp.diagnosis import exact_interval
from cnnexp.errors import NonFiniteLossError
from cnnexp.records import Finding, RunResult
from cnnexp.runs import experiment
from cnnexp.training import GraphCache

LEARNING_RATES = (1e-5, 3e-5, 1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 0.1, 0.3, 1.0, 3.0, 10.0)
MOST_STEPS = 12  # of a walk
MOST_EPOCHS = 4  # times those of the first run
LEARNS = 0.5  # of the accuracy above chance that the best learning rate of the cell reaches
HOPELESS = 0.15  # accuracy above chance of the best learning rate; below, none learns in so few epochs


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one run of a cell came to."""

    accuracy: float  # on the test split; 0 where the loss became NaN
    majority: float  # accuracy of always answering the most common class
    advised: float | None  # the next learning rate
    longer: bool  # more epochs are advised
    advised_by_loss: float | None  # the next learning rate by the rule of version 0.1.0
    course: Mapping[str, Any] | None  # plain numbers to diagnose the run by again; None: its loss became NaN

    @property
    def gain(self) -> float:
        """Accuracy above chance."""
        return self.accuracy - self.majority


Advised = Callable[[Outcome], float | None]


class Cell:
    """The runs of one setting, trained when they are asked for."""

    def __init__(self, overrides: Sequence[str]) -> None:
        self._config = compose_config([*overrides, "training.patience=null"])
        self._graphs = GraphCache()
        self._outcomes: dict[tuple[float, int], Outcome] = {}
        self.epochs = self._config.training.epochs

    def outcome(self, learning_rate: float, epochs: int) -> Outcome:
        """Return what a run comes to; train it if that is not known yet."""
        key = float(f"{learning_rate:.2g}"), epochs
        if key not in self._outcomes:
            self._outcomes[key] = self._train(*key)
        return self._outcomes[key]

    def walk(self, start: float, advised: Advised, *, longer: bool, enough: float) -> list[tuple[float, int]]:
        """Return learning rate and epochs of each run.

        With `longer`, advice to train longer is followed, too, until the accuracy is `enough` above chance.
        """
        steps = [(start, self.epochs)]
        while len(steps) < MOST_STEPS:
            learning_rate, epochs = steps[-1]
            outcome = self.outcome(learning_rate, epochs)
            if (following := advised(outcome)) is not None:
                steps.append((min(max(following, 1e-7), 100.0), epochs))
            elif longer and outcome.longer and outcome.gain < enough and epochs < MOST_EPOCHS * self.epochs:
                steps.append((learning_rate, 2 * epochs))
            else:
                break
        return steps

    def learns(self, run: tuple[float, int]) -> bool:
        """Return whether a run reaches half of what the best learning rate reaches, above chance."""
        return self.outcome(*run).gain >= LEARNS * self.best

    @property
    def best(self) -> float:
        """Accuracy above chance of the best learning rate in the epochs of a first run."""
        outcomes = [self.outcome(learning_rate, self.epochs) for learning_rate in LEARNING_RATES]
        return max(outcome.gain for outcome in outcomes)

    def _train(self, learning_rate: float, epochs: int) -> Outcome:
        try:
            result = _run(_with(self._config, learning_rate, epochs), self._graphs)
        except NonFiniteLossError as error:
            advised = float(re.findall(r"optimizer\.learning_rate=([\d.e+-]*\d)", str(error))[0])
            return Outcome(0.0, 0.0, advised, longer=False, advised_by_loss=advised, course=None)
        return Outcome(
            accuracy=result.evaluation.metrics["accuracy"],
            majority=majority(result),
            advised=advice(result.findings),
            longer=any(finding.id == "T3" for finding in result.findings),
            advised_by_loss=advice_by_loss(result, learning_rate),
            course=course(result, learning_rate),
        )


def _with(config: ExperimentConfig, learning_rate: float, epochs: int) -> ExperimentConfig:
    return dataclasses.replace(
        config,
        optimizer=dataclasses.replace(config.optimizer, learning_rate=learning_rate),
        training=dataclasses.replace(config.training, epochs=epochs),
    )


def _run(config: ExperimentConfig, graphs: GraphCache) -> RunResult:
    result = experiment.run(
        config,
        name="walk",
        on_start=lambda _: None,
        on_epoch=lambda _: False,
        on_progress=lambda *_: None,
        graphs=graphs,
    )
    assert isinstance(result, RunResult)  # nothing prunes it
    return result


def course(result: RunResult, learning_rate: float) -> dict[str, Any]:
    """Return in plain numbers of six digits what `support.diagnosed_runs` makes the evidence of a run from."""
    history, confusion = result.history, result.evaluation.confusion
    columns = {
        "train_loss": [epoch.train_loss for epoch in history.epochs],
        "val_loss": [epoch.val_loss for epoch in history.epochs],
        "val_accuracy": [epoch.val_accuracy for epoch in history.epochs],
        "spreads": [outputs.spread for outputs in history.outputs],
        "changes": [outputs.change for outputs in history.outputs],
        "penalties": list(history.penalties),
    }
    return {
        "learning_rate": learning_rate,
        **{name: [float(f"{value:.6g}") for value in values] for name, values in columns.items()},
        "class_counts": list(result.info.class_counts["train"]),
        "support": confusion.sum(axis=1).tolist(),
        "correct": confusion.diagonal().tolist(),
    }


def majority(result: RunResult) -> float:
    """Return the accuracy of always answering the most common class of the test split."""
    support = result.evaluation.confusion.sum(axis=1)
    return float(support.max() / support.sum())


def advice(findings: Sequence[Finding]) -> float | None:
    """Return the learning rate that the findings advise; None where they do not change it."""
    repairs = (finding.repair for finding in findings if finding.id in {"T1", "T2"})
    return next((float(repair.removeprefix("optimizer.learning_rate=")) for repair in repairs), None)


def advice_by_loss(result: RunResult, learning_rate: float) -> float | None:
    """Return what version 0.1.0 advised, by the losses alone."""
    epochs, uniform = result.history.epochs, math.log(len(result.info.class_names))
    train, val = [epoch.train_loss for epoch in epochs], [epoch.val_loss for epoch in epochs]
    low, _ = exact_interval(result.evaluation.metrics["accuracy"], result.evaluation.confusion.sum())
    if low > majority(result) or train[-1] < 0.99 * uniform:
        return None
    rise = train[-1] - train[0]
    if max(val) > 2 * uniform or -rise > 2 * uniform or rise >= 0.01 * uniform:
        return learning_rate / 10
    return learning_rate * 10 if len(epochs) > 1 and rise > -0.01 * uniform and learning_rate < 1 else None


def shares(cells: Mapping[str, Cell], *, advised: Advised, longer: bool) -> tuple[int, int]:
    """Return how many walks, from each learning rate of each cell, end at one that learns, and how many there are."""
    ends = [
        cell.learns(steps[-1]) and advised(cell.outcome(*steps[-1])) is None
        for cell in cells.values()
        for steps in (cell.walk(start, advised, longer=longer, enough=LEARNS * cell.best) for start in LEARNING_RATES)
    ]
    return sum(ends), len(ends)
