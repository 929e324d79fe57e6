"""What a fault brings about by itself: findings that do not stand beside it, because it explains them.

It follows from three questions, and not from which findings were ever seen together. *Which images or labels are
wrong?* Those of the test change what is said of the test, and cannot change a training. Those of validation chose the
epoch, so that the course of training looks wrong, too. Those of train are what a network learns from: it fits them
badly or learns them by heart, and its answers contradict their labels. *What keeps a network from learning* leaves
scores that are low and curves that look like any rate. And *what is counted wrongly* explains every number.
"""

from collections.abc import Mapping

from cnnexp.diagnosis.confidence import Basis
from cnnexp.diagnosis.few_levels import COUNTED
from cnnexp.diagnosis.judged_labels import CONTRADICTED
from cnnexp.diagnosis.small_validation import IS_TEST
from cnnexp.diagnosis.split_gap import GAP, OF_TRAIN, OF_VALIDATION
from cnnexp.records import Finding
from cnnexp.records.catalogue import NAMES, UNKNOWN

# What the scores of a split that is judged say. E3 follows from everything by which these images differ from those that
# the temperature was fitted on, and from memorizing.
_SCORES = frozenset({"S4", "E1", "E3", UNKNOWN})
# What validation says of a training, by its loss or by its distance from train.
_COURSE = frozenset({"M1", "M2", "D5", "T1", "T2", "T3", "T4", "T8"})
# What answers to training images say of their labels: those of images that show nothing are any class.
_LABELS = frozenset({"L1", "L2"})
# What a network says that learned nothing: it has a rate to blame only where neither its labels nor its penalties nor
# its batches are.
_FAILED = frozenset({"T1", "T2", "T3", "M1", "M2", "M6", "D5", "E1", "E3", UNKNOWN})
_PIXELS = frozenset({"D2", "D3", "P3", "P4", "P5", "P6", "P7", "P8", "P9"})  # of images of a split
EXPLAINS: Mapping[str, frozenset[str]] = {
    "D1": frozenset({"S3"}),  # unreadable images are left out
    **dict.fromkeys(_PIXELS, _SCORES),
    **dict.fromkeys(("P5", "P6", "P8"), _SCORES | {"D6"}),  # one spot no longer tells a class that it did
    "P3": _SCORES | {"D2", "D4", "S1"},  # what has few levels left looks empty, or like others
    "D4": frozenset(
        {"S3", "S4", "M2", "E1", "E3", UNKNOWN}
    ),  # what is there twice counts twice, and is learned by heart
    "D5": frozenset({"M2", "T3", "T4", "E1", "E3", UNKNOWN}),
    "D6": _SCORES | {"M2", "T4", "D5"},
    **dict.fromkeys(("E2", "E4"), frozenset(NAMES) - {"E2", "E4"}),
    "L1": frozenset({"M1", "M2", "D5", "T1", "T2", "T3", "T4", "S3", "E1", "E3", UNKNOWN}),
    "L2": frozenset({"M1", "M2", "D5", "T1", "T2", "T3", "T4", "S3", "E1", "E3", UNKNOWN}),
    "L3": _FAILED | {"T4", "L1", "L2"},
    "L4": _SCORES | {"L1", "L2", "L3", "D6"},
    "P1": _FAILED | {"T5", "T6"},
    "P2": _FAILED | {"T5", "T6"},
    UNKNOWN: frozenset({"E3"}),
    "S1": frozenset({UNKNOWN}),
    "S2": frozenset({"S1", "D4", "D5", UNKNOWN}),  # versions of one object are nearly the same image
    "S3": frozenset({"M2", "S4", "E1", "E3", UNKNOWN}),  # a class that was never seen is answered as others are
    "S4": frozenset({"E1", "E3", UNKNOWN}),
    "S5": frozenset({"S3", "S4", "T3", "T4", "M2", UNKNOWN}),  # so few images cannot be of all classes
    "M1": frozenset({"T1", "T2", "T3", "E1", "E3", UNKNOWN}),
    "M2": frozenset({"E3", UNKNOWN}),
    "M3": frozenset({"T1", "T2", "T3", "M1", "E1", "E3", UNKNOWN}),
    "M4": frozenset({"M1", "T1", "T2", "T3", "T6", "E1", "E3", UNKNOWN}),
    "M5": _FAILED | {"T5", "T6", "M3", "M8"},
    "M6": _FAILED - {"M6"} | {"T5", "T6", "M8"},
    "M7": _FAILED - {"M6"} | {"S4", "L1", "L2"},
    "M8": _FAILED - {"M6"},
    "T1": frozenset({"T3", "E1", "E3", UNKNOWN}),
    "T2": frozenset({"T3", "E1", "E3", UNKNOWN}),
    "T3": frozenset({"E1", "E3", UNKNOWN}),
    "T4": frozenset({"M2", "E3", UNKNOWN}),
    "T5": frozenset({"T1", "T2", "T3", "M2", "E1", "E3", UNKNOWN}),
    "T6": frozenset({"T2", "T3", "E1", "E3", UNKNOWN}),
    "T8": frozenset({"T1", "T2", "T3", "T6", "E1", "E3", UNKNOWN}),
}
# Of a loss that asks for large logits: the validation loss, cross-entropy, rises and chooses the epoch.
_OF_SHARP_LOSS = frozenset({"M2", "T2", "T3", UNKNOWN})
# Of one split alone, beside what follows wherever it is.
OF_OTHER_TRAINING = _COURSE | _LABELS | _SCORES
OF_OTHER_VALIDATION = _COURSE | _SCORES
# Labels that answers alone contradict: a network that has not learned its classes confuses two of them, too, so that
# what shows in its settings or its structure comes first.
_HINDERED = frozenset(
    {"D5", "M1", "M3", "M4", "M5", "M6", "M7", "M8", "P1", "P2", "P8", "T1", "T2", "T3", "T5", "T6", "T8"}
)
# What is named where blur, noise, crops or tilts restore answers, or reproduce a loss: of few levels they do, too.
_SMOOTHED = frozenset({"D2", "D3", "P7", "P8", "S4"})
# No training makes one of two splits that it has not seen worse than the other.
OF_TRAINING = (2, 3)  # causes
_SHOWN = frozenset({Basis.FILES, Basis.SETTINGS, Basis.STRUCTURE, Basis.CONFIRMED, Basis.TRIED})


def explains(cause: Finding, finding: Finding) -> bool:
    """Return whether one finding is what another one brings about."""
    for rule in (_as_labels_of_hindered_networks, _as_counted, _as_what_is_judged):
        verdict = rule(cause, finding)
        if verdict is not None:
            return verdict
    return finding.id in _of_its_place(cause) or finding.id in EXPLAINS.get(cause.id, ())


def _as_labels_of_hindered_networks(cause: Finding, finding: Finding) -> bool | None:
    """Return whether answers contradict labels because the network was kept from learning; None: it is not about that.

    What keeps it from learning shows in its settings or its structure, and labels do not bring that about.
    """
    if _contradicts_by_answers(finding) and _is_hindered(cause):
        return True
    return False if _contradicts_by_answers(cause) and _is_hindered(finding) else None


def _as_counted(cause: Finding, finding: Finding) -> bool | None:
    """Return whether levels are few, which is counted, and smoothing only looks like a repair; None: they are not."""
    if COUNTED in cause.evidence and COUNTED not in finding.evidence and finding.id in _SMOOTHED:
        return True
    return False if COUNTED in finding.evidence and COUNTED not in cause.evidence and cause.id in _SMOOTHED else None


def _as_what_is_judged(cause: Finding, finding: Finding) -> bool | None:
    """Return what follows between labels, pixels and scores of judged images; None: it is not about these."""
    is_of_training = cause.cause in OF_TRAINING or (OF_TRAIN in cause.evidence and OF_VALIDATION not in cause.evidence)
    is_between = bool({GAP, CONTRADICTED} & {*finding.evidence})
    if cause.id == finding.id or (is_between and is_of_training) or _is_of_loss(finding):
        return False
    if CONTRADICTED in cause.evidence and finding.id == "D6":  # nor by the labels that it is asked of
        return True
    return True if _contradicts_what_is_judged(finding) and cause.id in _PIXELS | {"S4", "L4"} else None


def _is_of_loss(finding: Finding) -> bool:
    """Return whether it says what a loss asks for, which follows from nothing else."""
    return finding.id == "E3" and finding.basis == Basis.STRUCTURE


def _of_its_place(cause: Finding) -> frozenset[str]:
    """Return what follows from which split is wrong, or from how much a loss asks for."""
    found: frozenset[str] = frozenset()
    if OF_TRAIN in cause.evidence:
        found |= OF_OTHER_TRAINING
    if OF_VALIDATION in cause.evidence:
        # By pixels that were changed, the nearest training images answer validation no better than chance.
        found |= OF_OTHER_VALIDATION | ({"L3"} if cause.id in _PIXELS else set())
    if cause.id == "P8" and _is_hindered(cause):  # by its own augmentation: no image of a split is changed
        found |= _FAILED
    if IS_TEST in cause.evidence:
        found |= {"S1"}
    if _is_of_loss(cause):
        found |= _OF_SHARP_LOSS
    return found - ({"S4"} if cause.id in _LABELS else set())


def _contradicts_by_answers(finding: Finding) -> bool:
    return finding.id in _LABELS and finding.basis == Basis.LABELS


def _contradicts_what_is_judged(finding: Finding) -> bool:
    """Return whether labels are contradicted by answers to images that are judged, or by files that are the same.

    Images that were changed are answered otherwise, and those of which little is left are the same.
    """
    return finding.id in _LABELS and (CONTRADICTED in finding.evidence or finding.basis == Basis.FILES)


def _is_hindered(finding: Finding) -> bool:
    """Return whether what keeps a network from learning shows in its settings or its structure."""
    return finding.id in _HINDERED and finding.basis in _SHOWN
