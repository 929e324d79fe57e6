"""Which way a metric improves, and in which unit a difference is given."""

from collections.abc import Sequence
from dataclasses import dataclass

from cnnexp.records import RunSummary

_LOWER_IS_BETTER = ("loss", "log_loss", "brier", "ece", "ece_uncalibrated")
# Endings of metrics that live in 0..1.
_RANGES: dict[str, tuple[float, float | None]] = {
    "brier": (0.0, 2.0),
    "ece": (0.0, 1.0),
    "ece_uncalibrated": (0.0, 1.0),
}
_SHARES = ("accuracy", "precision", "recall", "f1", "auc", "sensitivity", "specificity")


@dataclass(frozen=True, slots=True)
class Metric:
    """A recorded number and how to read it."""

    name: str  # such as test/accuracy
    lower_is_better: bool
    is_share: bool  # 0..1, so that differences are given in points of 100
    low: float | None = None  # that it can have; None: any
    high: float | None = None

    @property
    def sign(self) -> int:
        """Factor that turns "larger" into "better"."""
        return -1 if self.lower_is_better else 1

    @property
    def short(self) -> str:
        """The name without its split, such as macro_f1."""
        return self.name.rpartition("/")[2]


def metric(name: str) -> Metric:
    """The metric recorded under ``name``.

    Costs (``seconds/...``, ``gap/...``, ``updates``) and losses are better when lower.
    """
    split, _, short = name.rpartition("/")
    cost = split in ("seconds", "gap") or short in ("updates", "parameters")
    lower = cost or short in _LOWER_IS_BETTER or short.endswith("_loss")
    share = short.endswith(_SHARES)
    return Metric(name, lower, share, *_bounds(split, short, is_share=share, is_cost=lower))


def _bounds(split: str, short: str, *, is_share: bool, is_cost: bool) -> tuple[float | None, float | None]:
    """Return the least and the largest value that a metric can have; a gap is a difference, and may be negative."""
    if split == "gap":
        return (-1.0, 1.0) if is_share else (None, None)
    return (0.0, 1.0) if is_share else _RANGES.get(short, (0.0, None) if is_cost else (None, None))


def validation_objective(runs: Sequence[RunSummary]) -> Metric | None:
    """What the runs are ranked by: the validation number their training watched, the loss where they disagree.

    None where no run has one: evaluations of saved models. Nothing is ever ranked by the test split, or its numbers
    would flatter the winner.
    """
    if not any(name in run.metrics for run in runs for name in ("best/val_loss", "best/val_accuracy")):
        return None
    watched = {run.settings["training.monitor"] for run in runs if "training.monitor" in run.settings}
    preferred = ["best/val_accuracy", "best/val_loss"] if watched == {"val/accuracy"} else ["best/val_loss"]
    for name in [*preferred, "best/val_accuracy"]:
        if all(name in run.metrics for run in runs):
            return metric(name)
    return metric("best/val_loss")
