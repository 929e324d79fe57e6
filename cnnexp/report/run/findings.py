"""What is said of a finding beside its own sentence: what it explains, and what it cannot be told from."""

import re
from collections.abc import Sequence

from cnnexp.records import DataIssue, Finding
from cnnexp.records.catalogue import NAMES
from cnnexp.system.text import listed

NOTHING_FOUND = "none, no check found a fault"
_MOST_NAMED = 5
_OVERRIDE = re.compile(r"[+~]*[\w./@-]+=\S+")


def relations(finding: Finding) -> list[str]:
    """Return a sentence each about its symptoms, the causes that look the same, and the files to look at."""
    sentences = []
    if finding.symptoms:
        sentences.append(f"It explains what else was seen: {listed(finding.symptoms, most=_MOST_NAMED)}.")
    if finding.alternatives:
        names = [f"{NAMES.get(one, one)} ({one})" for one in finding.alternatives]
        sentences.append(f"It could also be: {listed(names, most=_MOST_NAMED)}.")
    if finding.files:
        sentences.append(f"Look at {listed(finding.files, most=_MOST_NAMED)}.")
    return sentences


def remarks(issues: Sequence[DataIssue], findings: Sequence[Finding]) -> list[DataIssue]:
    """Return the issues of the data that no finding repeats."""
    said = {finding.sentence for finding in findings}
    return [issue for issue in issues if issue.sentence not in said]


def is_override(repair: str) -> bool:
    """Return whether a repair can be typed after the run's own command line."""
    return all(_OVERRIDE.fullmatch(word) for word in repair.split())
