"""What a decision threshold gives: sensitivity, specificity and precision, each counted and with its interval."""

from collections.abc import Mapping
from dataclasses import dataclass

from scipy.stats import binomtest

from cnnexp.portable.decision import Decision
from cnnexp.records import Labels

SHARES = ("sensitivity", "specificity", "precision")
LEVEL = 0.95


@dataclass(frozen=True, slots=True)
class CountedShare:
    """A share of at least one image."""

    count: int
    images: int

    @property
    def value(self) -> float:
        """The share, 0..1."""
        return self.count / self.images

    @property
    def interval(self) -> tuple[float, float]:
        """Wilson's score interval, 95 %."""
        low, high = binomtest(self.count, self.images).proportion_ci(LEVEL, method="wilson")
        return float(low), float(high)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.value:.3f} ({self.count:,} of {self.images:,}, 95 % interval {low:.3f} to {high:.3f})"


def on_split(predicted: Labels, labels: Labels, *, positive: int) -> dict[str, CountedShare]:
    """Return what the answers (N,) give for the class of index `positive`; a share of no image is left out."""
    alarms, is_positive = predicted == positive, labels == positive
    return _shares(
        hits=int((alarms & is_positive).sum()),
        positives=int(is_positive.sum()),
        false_alarms=int((alarms & ~is_positive).sum()),
        negatives=int((~is_positive).sum()),
    )


def on_calibration(decision: Decision) -> dict[str, CountedShare]:
    """Return what the decision gives on the images that it was chosen by; a share of no image is left out."""
    return _shares(
        hits=decision.hits,
        positives=decision.positives,
        false_alarms=decision.false_alarms,
        negatives=decision.negatives,
    )


def _shares(*, hits: int, positives: int, false_alarms: int, negatives: int) -> dict[str, CountedShare]:
    counted = (
        CountedShare(hits, positives),
        CountedShare(negatives - false_alarms, negatives),
        CountedShare(hits, hits + false_alarms),
    )
    return {name: share for name, share in zip(SHARES, counted, strict=True) if share.images}


def decision_note(decision: Decision) -> str:
    """Return in a few sentences what was chosen, for what, and what it gives on the calibration split."""
    shares = ", ".join(f"{name} {share}" for name, share in on_calibration(decision).items())
    return (
        f"{decision.positive} is answered from a probability of {decision.threshold:.4g} on, by decision."
        f"{decision.rule}={decision.wanted:g}. On the calibration split, which chose it: {shares}."
    )


def decision_metrics(decision: Decision | None, intervals: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """Return threshold, shares on the calibration split and ends of the test split's intervals, by recorded names."""
    if decision is None:
        return {}
    found = {"decision/threshold": decision.threshold}
    found |= {f"calibration/{name}": share.value for name, share in on_calibration(decision).items()}
    for name in SHARES:
        if name in intervals:
            found[f"test/{name}_low"], found[f"test/{name}_high"] = intervals[name]
    return found
