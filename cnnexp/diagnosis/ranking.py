"""One list of what is wrong with a run: findings and data issues, causes first, symptoms under their cause."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from cnnexp.diagnosis.confidence import Basis, of_likeliest
from cnnexp.diagnosis.data_faults import faults_of
from cnnexp.diagnosis.small_validation import IS_TEST
from cnnexp.diagnosis.split_gap import OF_TRAIN
from cnnexp.records import DataReport, Finding
from cnnexp.records.catalogue import NAMES, UNKNOWN

# What a fault brings about by itself. E3 follows from everything by which the judged images differ from those that the
# temperature was fitted on, and from memorizing; a network that learned nothing has a rate to blame only where neither
# its labels nor its penalties nor its batches are.
_ON_TEST = frozenset({"S4", "E1", "E3", UNKNOWN})
_ON_TRAINING = frozenset({"T1", "T2", "T3", "M1", "M2", "M6", "E1", "E3", UNKNOWN})
EXPLAINS: Mapping[str, frozenset[str]] = {
    "D3": _ON_TEST | {"M2"},
    "D5": frozenset({"M2", "T3", "E1", "E3", UNKNOWN}),
    "D6": _ON_TEST | {"M2"},
    **dict.fromkeys(("E2", "E4"), frozenset(NAMES) - {"E2", "E4"}),
    "L1": frozenset({"M2", "T2", "T3", "E3", UNKNOWN}),
    "L2": frozenset({"M2", "T3", "E1", "E3", UNKNOWN}),
    "L3": _ON_TRAINING | {"L1", "L2"},
    "L4": _ON_TEST | {"L2"},
    "P1": _ON_TRAINING | {"T5", "T6"},
    "P2": _ON_TRAINING | {"T5", "T6"},
    **dict.fromkeys(("P3", "P4", "P5", "P6", "P7", "P9", "D2"), _ON_TEST),
    "P8": _ON_TEST | {"L2", "M1", "T1", "T2", "T3"},
    UNKNOWN: frozenset({"E3"}),
    "S1": frozenset({UNKNOWN}),
    "S2": frozenset({"S1", "D5", UNKNOWN}),  # versions of one object are nearly the same image
    "S3": frozenset({"E1", "E3", UNKNOWN}),
    "S4": frozenset({"E1", "E3", UNKNOWN}),
    "S5": frozenset({"S3", "T3", "M2", UNKNOWN}),  # so few images cannot be of all classes
    "M1": frozenset({"T2", "T3", "E3", UNKNOWN}),
    "M2": frozenset({"E3", UNKNOWN}),
    "M3": frozenset({"T1", "T2", "T3", "M1", "E1", "E3", UNKNOWN}),
    "M4": frozenset({"M1", "T2", "T3", "T6", UNKNOWN}),
    "M5": _ON_TRAINING | {"T5", "T6", "M3", "M8"},
    "M6": _ON_TRAINING - {"M6"} | {"T5", "T6", "M8"},
    "M7": frozenset({"M2", "T1", "T2", "T3", "S4", "E1", "E3", UNKNOWN}),
    "M8": frozenset({"M1", "T1", "T2", "T3", "E1", "E3", UNKNOWN}),
    "T1": frozenset({"T3", "E1", "E3", UNKNOWN}),
    "T2": frozenset({"T3", "E1", "E3", UNKNOWN}),
    "T3": frozenset({"E3", UNKNOWN}),
    "T4": frozenset({"M2", "E3", UNKNOWN}),
    "T5": frozenset({"T1", "T2", "T3", "M2", "E1", "E3", UNKNOWN}),
    "T6": frozenset({"T2", "T3", "E3", UNKNOWN}),
    "T8": frozenset({"T1", "T2", "T3", "T6", "E1", "E3", UNKNOWN}),
}


# What it looks like where the training images are unlike all others: the course of training is judged by validation.
OF_OTHER_TRAINING = frozenset({"M2", "D5", "T1", "T2", "T3", "T8"})
# Names that numbers of one training cannot tell apart, unless one of them was tried or undone.
LOOK_ALIKE = (
    frozenset({"M1", "M3", "P8", "T1", "T2", "T3", "T5", "T6", "T8"}),
    frozenset({"M2", "D5", "L1", "L2"}),
    frozenset({"D2", "D3", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "S4"}),
)
DECIDED = frozenset({Basis.RECORD, Basis.UNDONE, Basis.CONFIRMED, Basis.TRIED, Basis.FILES})


def rank(findings: Iterable[Finding], report: DataReport | None = None) -> tuple[Finding, ...]:
    """Return causes by confidence, each with the titles of the symptoms that it explains, which do not stand alone.

    Names that the evidence cannot separate are one finding: the likeliest of them, with the others as alternatives.

    A finding about what the data check also found takes its place: it has the run's numbers. `report` is that of the
    data check; None: there is none.
    """
    found = list(findings)
    ids = {finding.id for finding in found}
    found += [finding for finding in faults_of(report) if finding.id not in ids] if report is not None else []
    causes = [finding for finding in found if not any(_explains(other, finding) for other in found)]
    named = [replace(cause, symptoms=_symptoms(cause, found)) for cause in causes]
    return tuple(sorted(map(_as_one, _sets(named)), key=lambda one: -one.confidence))


def _sets(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Return findings in sets that cannot be told apart, in each the likeliest first."""
    sets: list[list[Finding]] = []
    for finding in sorted(findings, key=lambda one: -one.confidence):
        own = next((one for one in sets if _look_alike(one[0], finding)), None)
        if own is None:
            sets.append([finding])
        else:
            own.append(finding)
    return sets


def _look_alike(one: Finding, other: Finding) -> bool:
    if one.id == other.id:
        return True
    undecided = not {one.basis, other.basis} & DECIDED
    return undecided and any({one.id, other.id} <= group for group in LOOK_ALIKE)


def _as_one(findings: Sequence[Finding]) -> Finding:
    """Return the first of a set with what the others say, as sure as it is beside them."""
    first, *others = findings
    if not others:
        return first
    names = (name for one in findings for name in (one.id, *one.alternatives))
    different = [one for one in others if one.id != first.id]
    return replace(
        first,
        sentence=" ".join([first.sentence, *(_instead(one, first) for one in others)]),
        evidence={name: value for one in reversed(findings) for name, value in one.evidence.items()},
        confidence=of_likeliest([first.confidence, *(one.confidence for one in different)])
        if different
        else first.confidence,
        symptoms=tuple(dict.fromkeys(name for one in findings for name in one.symptoms)),
        alternatives=tuple(name for name in dict.fromkeys(names) if name != first.id),
        files=tuple(dict.fromkeys(file for one in findings for file in one.files)),
    )


def _instead(one: Finding, first: Finding) -> str:
    return one.sentence if one.id == first.id else f"Or {one.title}: {one.sentence}"


def _explains(cause: Finding, finding: Finding) -> bool:
    if OF_TRAIN in cause.evidence and finding.id in OF_OTHER_TRAINING:
        return True
    if IS_TEST in cause.evidence and finding.id == "S1":
        return True
    return finding.id in EXPLAINS.get(cause.id, ())


def _symptoms(cause: Finding, found: Sequence[Finding]) -> tuple[str, ...]:
    explained = [name for one in found if _explains(cause, one) for name in (one.title, *one.symptoms)]
    return tuple(dict.fromkeys((*cause.symptoms, *explained)))
