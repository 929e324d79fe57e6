"""Which findings say that a network learned nothing at all; a sweep shows that word instead of a score."""

import math
from collections.abc import Iterable

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.unusual_rate import in_usual_rates
from cnnexp.records import Finding, RunSummary

CAUSES = {"L3", "M3", "T1", "T2", "T5", "T6"}  # findings that explain why a network learned nothing
COLLAPSED, DIVERGED = "collapsed", "diverged"
_EXACT = 1e-6  # rounding of recorded scores
_LOWER = 10  # times: the next rate to try
LEARNED = 0.7  # mean recall; a network that learned nothing has 1 / K, of two classes a half


def failed_learning(findings: Iterable[Finding]) -> str | None:
    """Return how a network failed to learn anything, such as "collapsed"; None where it beats the majority class.

    The findings of version 0.1.0 do not say whether it does: theirs were only about networks that do not.
    """
    failures = (finding for finding in findings if finding.id in CAUSES)
    return next((_how(finding) for finding in failures if not finding.evidence.get("beats_majority", 0.0)), None)


def recorded_failure(run: RunSummary) -> str | None:
    """Return the same of a recorded run; its findings are read only where its score leaves that open."""
    if run.status != "FINISHED" or run.metrics.get("test/balanced_accuracy", 0.0) > LEARNED:
        return None
    return failed_learning(run.read_findings()) or (COLLAPSED if _gives_one_answer(run) else None)


def has_diverged(run: RunSummary) -> bool:
    """Return whether a run failed because its loss was no number any more."""
    return run.status == "FAILED" and "loss must stay finite" in run.tags.get("failure", "")


def divergence(run: RunSummary) -> Finding | None:
    """Return T1 for a run that failed because its loss was no number any more; None: it did not, or had no rate."""
    if not has_diverged(run):
        return None
    try:
        rate = float(run.settings["optimizer.learning_rate"])
    except (KeyError, ValueError):  # auto: that of a range test
        return None
    return Finding(
        id="T1",
        cause=3,
        title="diverged: learning rate too high",
        sentence=f"The run ended because its steps overshot until the loss was no number: {run.tags['failure']}",
        evidence={"learning_rate": rate, "beats_majority": 0.0},
        confidence=confidence_by(Basis.OUTPUTS),
        basis=Basis.OUTPUTS,
        repair=f"optimizer.learning_rate={float(f'{min(rate / _LOWER, _usual_rate(run)):.1g}'):g}",
        alternatives=("M5", "M6"),
    )


def _usual_rate(run: RunSummary) -> float:
    """Return the usual rate of the optimizer of a run; infinity: none is."""
    optimizer = run.settings.get("optimizer", "")
    times = in_usual_rates(optimizer, 1.0, momentum=float(run.settings.get("optimizer.momentum") or 0))
    return math.inf if times is None else 1 / times


def _gives_one_answer(run: RunSummary) -> bool:
    """Return whether the scores are those of one class for all images: recall of 1 / K, and all from one class."""
    names = ("test/balanced_accuracy", "test/macro_precision", "test/accuracy")
    if not all(name in run.metrics for name in names):
        return False
    recall, precision, accuracy = (run.metrics[name] for name in names)
    if recall <= 0:
        return False
    return abs(1 / recall - round(1 / recall)) < _EXACT and abs(precision - accuracy * recall) < _EXACT


def _how(finding: Finding) -> str:
    return finding.title.partition(":")[0].partition(",")[0]
