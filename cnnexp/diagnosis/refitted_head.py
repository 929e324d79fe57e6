"""Data against representation: a linear classifier of the network's features, fitted on parts of the training images.

Where it is still better with all of them than with half, more images would help. Where it is far better than the
network itself, the features are good, and it is the last layer, or how training ended, that fails.
"""

from dataclasses import dataclass, replace

from cnnexp.diagnosis.confidence import Basis, confidence_by
from cnnexp.diagnosis.intervals import Z
from cnnexp.diagnosis.interventions import helps
from cnnexp.records import Finding
from cnnexp.records.catalogue import UNKNOWN

ASKED_FOR = frozenset({UNKNOWN, "D5", "M2"})  # findings that it says something about
STEEP = 0.03  # of validation accuracy, that half of the training images cost


@dataclass(frozen=True, slots=True)
class RefittedHead:
    """What it reaches, and what the network does with black images."""

    images: int  # that it is fitted on
    accuracy: float  # of validation images
    answered: int  # validation images
    gain: float  # over a head fitted on half of the images
    gain_error: float  # its standard error, over images
    as_black: float  # share of validation images that the network answers as a black one

    @property
    def is_steep(self) -> bool:
        """Whether more images would surely help."""
        return self.gain >= STEEP and self.gain > Z * self.gain_error


def with_refitted_head(finding: Finding, head: RefittedHead, *, accuracy: float) -> Finding:
    """Return a finding with what the head says about it; another one as it is. `accuracy`: the network's own."""
    if finding.id not in ASKED_FOR:
        return finding
    numbers = {
        "refitted_head": head.accuracy,
        "refitted_head_gain": head.gain,
        "answered_as_black": head.as_black,
    }
    known = replace(finding, evidence={**finding.evidence, **numbers})
    if finding.id == UNKNOWN:
        return replace(known, sentence=f"{finding.sentence} {_of_features(head, accuracy)}")
    if not head.is_steep:
        return known
    says = (
        f"A linear classifier of the network's features, fitted anew, answers {100 * head.gain:.1f} points more of the "
        f"validation images with {head.images:,} training images than with half of them."
    )
    known = replace(known, sentence=f"{finding.sentence} {says}")
    if finding.id == "D5":
        return replace(known, confidence=confidence_by(Basis.REFITTED), basis=Basis.REFITTED)
    return replace(known, alternatives=tuple(dict.fromkeys((*finding.alternatives, "D5"))))


def _of_features(head: RefittedHead, accuracy: float) -> str:
    fitted = f"A linear classifier of its features, fitted anew, answers {head.accuracy:.1%} of the validation images"
    if helps(head.accuracy, over=accuracy, images=head.answered):
        return f"{fitted}: its features are good, and its last layer, or the end of training, is to blame."
    return f"{fitted}, no more than the network: it is its features that say too little."


def head_finding(head: RefittedHead, *, accuracy: float) -> Finding | None:
    """Report U0 where nothing else was found, and features of the network are far better than its answers."""
    if not helps(head.accuracy, over=accuracy, images=head.answered):
        return None
    return Finding(
        id=UNKNOWN,
        cause=0,
        title="the last layer does not use what the others found",
        sentence=f"The network answers {accuracy:.1%} of the validation images. {_of_features(head, accuracy)}",
        evidence={"refitted_head": head.accuracy, "validation_accuracy": accuracy},
        confidence=confidence_by(Basis.UNNAMED),
        basis=Basis.UNNAMED,
        repair="train for longer, or keep the weights of another epoch (training.keep, training.epochs)",
        alternatives=("T3", "T4", "M3"),
    )
