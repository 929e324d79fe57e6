"""How often findings of each kind of evidence were right: what `cnnexp/diagnosis/confidence.py` states.

Counted on cases of development and on those that were added, but for the ci tier, by which rules were written. A
finding is right where it names the fault, or of a kind without a name the cause; one of a healthy run never is.
"Something is wrong" is right of a run that has a fault which hurts.
"""

from collections import defaultdict
from collections.abc import Sequence

from benchmarks.faults.cases import all_cases
from benchmarks.faults.judging import UNKNOWN, Judged, outcome
from benchmarks.faults.records import CaseRecord, Named
from benchmarks.faults.scoring import RIGHT
from benchmarks.faults.tiers import chosen
from cnnexp.diagnosis.confidence import Basis, Counted, shrunken


def table_of(records: Sequence[CaseRecord]) -> str:
    """Return a line for each kind of evidence, to be copied, with the confidence that follows."""
    cases = {case.id: case for case in all_cases() if case.part != "held_out"}
    for known in chosen("ci", "development"):
        cases.pop(known.id)
    latest = {(record.case, record.probed): record for record in records if record.case in cases}
    judged = [Judged(cases[name], record) for (name, _), record in latest.items()]
    counts: dict[str, list[bool]] = defaultdict(list)
    for one in judged:
        for name in one.record.named:
            counts[name.basis].append(_is_right(one, name))
    everything = Counted(sum(map(sum, counts.values())), sum(map(len, counts.values())))
    healthy = sum(one.case.healthy is not None for one in judged)
    lines = [f"# {len(judged)} runs, {healthy} of them healthy; {everything.right} of {everything.findings} right"]
    for basis in Basis:
        own = Counted(sum(counts[basis]), len(counts[basis]))
        lines.append(
            f"    Basis.{basis.name}: Counted({own.right}, {own.findings}),  # {shrunken(own, everything):.2f}"
        )
    return "\n".join(lines)


def _is_right(one: Judged, name: Named) -> bool:
    if not one.case.faults:
        return False
    if name.id == UNKNOWN:
        return one.hurts
    return outcome(one.case, [name.id], [name.cause]) in RIGHT
