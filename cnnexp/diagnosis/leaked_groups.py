"""Cause 1d, the split: are versions of one object on both sides of it?

Names such as `object12_3.png` may be those of groups, or mere numbers. Where they are groups, the training image that
is most like a validation image is one of its own group, far more often than one of so few would be by chance.
"""

from scipy.stats import binomtest

from cnnexp.data_check.possible_groups import GUESSED
from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.evidence import RunEvidence, exact_interval
from cnnexp.records import DataIssue, Finding

# Of names that are mere numbers, the share is chance, whatever the images are; frames of a film have nearly 1.
TIMES_CHANCE = 4.0
LEAST_SHARE = 0.1  # of digits in three versions it is 0.16, and these raise the score by five points
P_VALUE = 1e-6  # a name is either a group or not: hundreds of images leave no doubt


def detect_leaked_groups(run: RunEvidence) -> Finding | None:
    """Report S2 when validation images find those of their own group, by name, among the training images."""
    found, issue = None if run.neighbours is None else run.neighbours.groups, possible_groups(run)
    if found is None or issue is None:
        return None
    share = found.same / found.asked
    if share < max(LEAST_SHARE, TIMES_CHANCE * found.chance):
        return None
    if binomtest(found.same, found.asked, found.chance, alternative="greater").pvalue >= P_VALUE:
        return None
    low, high = (float(bound) for bound in exact_interval(share, found.asked))
    return Finding(
        id="S2",
        cause=1,
        title="groups on two sides of a split",
        sentence=(
            f"Files whose names begin alike belong together, and splits divide them: of {found.asked:,} validation "
            f"images, the most similar training image has such a name for {share:.0%} (99 % interval {low:.0%} to "
            f"{high:.0%}), and {found.chance:.1%} would by chance. The network has seen these objects, so that scores "
            "are better than on new ones."
        ),
        evidence={"share": share, "share_by_chance": found.chance, "groups": issue.evidence["groups"]},
        confidence=confidence_by(Basis.NEIGHBOURS),
        basis=Basis.NEIGHBOURS,
        repair=issue.repair.removeprefix("if they do, ").partition(" for data=")[0],
        files=tuple(image.file for image in issue.groups[0]),
    )


def possible_groups(run: RunEvidence) -> DataIssue | None:
    """Return what the data check says of names that may be those of groups."""
    issues = run.report.issues if run.report is not None else ()
    return next((one for one in issues if one.title == GUESSED), None)
