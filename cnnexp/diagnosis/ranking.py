"""One list of what is wrong with a run: findings and data issues, causes first, symptoms under their cause."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from cnnexp.diagnosis.confidence import Basis, of_likeliest
from cnnexp.diagnosis.consequences import explains
from cnnexp.diagnosis.data_faults import faults_of
from cnnexp.records import DataReport, Finding

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
    causes = [finding for finding in found if not any(explains(other, finding) for other in found)]
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


def _symptoms(cause: Finding, found: Sequence[Finding]) -> tuple[str, ...]:
    explained = [name for one in found if explains(cause, one) for name in (one.title, *one.symptoms)]
    return tuple(dict.fromkeys((*cause.symptoms, *explained)))
