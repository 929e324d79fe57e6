"""One list of what is wrong with a run: findings and data issues, causes first, symptoms under their cause."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from cnnexp.diagnosis.data_faults import faults_of
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
    "L1": frozenset({"M2", "T3", "E3", UNKNOWN}),
    "L2": frozenset({"M2", "T3", "E1", "E3", UNKNOWN}),
    "L3": _ON_TRAINING | {"L1", "L2"},
    "L4": _ON_TEST | {"L2"},
    "P1": _ON_TRAINING | {"T5", "T6"},
    "P2": _ON_TRAINING | {"T5", "T6"},
    **dict.fromkeys(("P3", "P4", "P5", "P6", "P7", "P9", "D2"), _ON_TEST),
    "P8": _ON_TEST | {"T3"},
    UNKNOWN: frozenset({"E3"}),
    "S1": frozenset({UNKNOWN}),
    "S2": frozenset({UNKNOWN}),
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
    "T5": frozenset({"T1", "T2", "T3", "M2", "E1", "E3", UNKNOWN}),
    "T6": frozenset({"T2", "T3", "E3", UNKNOWN}),
    "T8": frozenset({"T1", "T2", "T3", "T6", "E1", "E3", UNKNOWN}),
}


def rank(findings: Iterable[Finding], report: DataReport | None = None) -> tuple[Finding, ...]:
    """Return causes by confidence, each with the titles of the symptoms that it explains, which do not stand alone.

    A finding about what the data check also found takes its place: it has the run's numbers. `report` is that of the
    data check; None: there is none.
    """
    found = list(findings)
    ids = {finding.id for finding in found}
    found += [finding for finding in faults_of(report) if finding.id not in ids] if report is not None else []
    causes = [finding for finding in found if not any(_explains(other, finding) for other in found)]
    return tuple(
        replace(cause, symptoms=_symptoms(cause, found)) for cause in sorted(causes, key=lambda one: -one.confidence)
    )


def _explains(cause: Finding, finding: Finding) -> bool:
    return finding.id in EXPLAINS.get(cause.id, ())


def _symptoms(cause: Finding, found: Sequence[Finding]) -> tuple[str, ...]:
    explained = [name for one in found if _explains(cause, one) for name in (one.title, *one.symptoms)]
    return tuple(dict.fromkeys((*cause.symptoms, *explained)))
