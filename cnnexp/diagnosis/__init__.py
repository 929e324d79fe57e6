"""What is wrong with a run, from its own numbers: one module for each cause.

Every verdict needs an interval that excludes chance *and* a size that matters; otherwise it stays silent. Constants at
the top of each module say how sure and how large, with the reason. No Keras here: what a probe needs from a model is
handed in by the caller.
"""

from cnnexp.diagnosis.facts import Facts
from cnnexp.diagnosis.fitting import overfitted
from cnnexp.diagnosis.metrics import flattering_accuracy, overconfident
from cnnexp.diagnosis.training import undertrained
from cnnexp.records import Finding

__all__ = ["Facts", "diagnose"]

JUDGES = (overfitted, undertrained, flattering_accuracy, overconfident)


def diagnose(facts: Facts) -> tuple[Finding, ...]:
    """Return what the evidence supports, the surest first; empty when nothing is found."""
    found = [finding for judge in JUDGES if (finding := judge(facts)) is not None]
    return tuple(sorted(found, key=lambda finding: -finding.confidence))
