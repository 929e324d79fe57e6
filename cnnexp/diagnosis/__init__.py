"""What is wrong with a run, from its own numbers: one module for each cause.

Every verdict needs an interval that excludes chance *and* a size that matters; otherwise it stays silent. Constants at
the top of each module say how sure and how large, with the reason. No Keras here: what a probe needs from a model is
handed in by the caller.
"""

from cnnexp.diagnosis.facts import Facts
from cnnexp.diagnosis.misleading_metrics import confidence_unjudged, flattering_accuracy, overconfident
from cnnexp.diagnosis.optimization import learned_nothing, length_unjudged, undertrained
from cnnexp.diagnosis.overfitting import fit_unjudged, overfitted
from cnnexp.records import Finding

__all__ = ["Facts", "diagnose", "unjudged"]

JUDGES = (overfitted, learned_nothing, undertrained, flattering_accuracy, overconfident)
ABSTENTIONS = (fit_unjudged, length_unjudged, confidence_unjudged)


def diagnose(facts: Facts) -> tuple[Finding, ...]:
    """Return what the evidence supports, the surest first; empty when nothing is found."""
    found = [finding for judge in JUDGES if (finding := judge(facts)) is not None]
    return tuple(sorted(found, key=lambda finding: -finding.confidence))


def unjudged(facts: Facts) -> tuple[str, ...]:
    """Return a sentence for each check that could not judge this run, and why: its silence is no acquittal."""
    return tuple(reason for abstention in ABSTENTIONS if (reason := abstention(facts)) is not None)
