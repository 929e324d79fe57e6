"""Which findings say that a network learned nothing at all; a sweep shows that word instead of a score."""

from collections.abc import Iterable

from cnnexp.records import Finding, RunSummary

CAUSES = {"L3", "M3", "T1", "T2", "T5", "T6"}  # findings that explain why a network learned nothing
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
    return failed_learning(run.read_findings())


def _how(finding: Finding) -> str:
    return finding.title.partition(":")[0].partition(",")[0]
