"""One run, told on the way to whoever shows it and to the store; the same alone and in a sweep."""

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from cnnexp.config import ExperimentConfig
from cnnexp.records import EpochValues, RunPlan, RunResult
from cnnexp.runs import artifacts, experiment
from cnnexp.tracking import Recorder
from cnnexp.training.graph_cache import Traces


class Report(Protocol):
    """Shows a run while it happens."""

    def plan(self, plan: RunPlan, settings: Mapping[str, Any]) -> None:
        """What the run is going to do."""

    def progress(self, stage: str, done: int, total: int) -> None:
        """How far a stage is."""

    def epoch(self, values: EpochValues) -> None:
        """An epoch."""

    def result(self, result: RunResult) -> None:
        """What came out."""


class _Pruned(Exception):  # noqa: N818 - no error: it unwinds a run that was told to stop
    pass


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run hands back to whoever started it."""

    metrics: Mapping[str, float]  # final ones; of a pruned run those of its best epoch alone
    pruned: int | None  # the epoch it was stopped after; None: it was not


def carry_out(
    config: ExperimentConfig,
    *,
    name: str,
    report: Report,
    recorder: Recorder,
    hopeless: Callable[[EpochValues], bool],
    traces: Traces | None = None,
) -> Outcome:
    """Train, judge and record one configuration; stop after the first epoch of which `hopeless` says so.

    `traces` are those of earlier runs in this process.

    Raises:
        CnnexpError: the data, the store or the training failed.

    """
    done: list[EpochValues] = []

    def on_plan(plan: RunPlan) -> None:
        report.plan(plan, asdict(config))
        recorder.plan(plan)

    def on_epoch(values: EpochValues) -> None:
        done.append(values)
        report.epoch(values)
        recorder.epoch(values)
        recorder.check()
        stop = hopeless(values)
        # One that has diverged says so next, and one that has made its last epoch saves nothing by stopping.
        if stop and math.isfinite(values.val_loss) and values.epoch < config.training.epochs:
            raise _Pruned

    try:
        result = experiment.run(
            config, name=name, on_plan=on_plan, on_epoch=on_epoch, on_progress=report.progress, traces=traces
        )
    except _Pruned:
        return _pruned(done, recorder, monitor=config.training.monitor)
    recorder.finish(result, artifacts.files(result))
    report.result(result)
    return Outcome(result.metrics, pruned=None)


def _pruned(done: list[EpochValues], recorder: Recorder, *, monitor: str) -> Outcome:
    """Record what is known of a run that was stopped: its best epoch, by the measure it was trained by."""
    if monitor == "val/loss":
        best = min(done, key=lambda values: values.val_loss)
    else:
        best = max(done, key=lambda values: values.val_accuracy)
    metrics = {
        "best/epoch": float(best.epoch),
        "best/val_loss": best.val_loss,
        "best/val_accuracy": best.val_accuracy,
    }
    recorder.metrics(metrics, step=0)
    recorder.tags({"pruned": str(len(done))})
    return Outcome(metrics, pruned=len(done))
