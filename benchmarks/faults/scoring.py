"""Scores of records as tables: how many faults are named, what else is said, and how often a healthy run is accused."""

import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import pairwise

from benchmarks.faults.baselines import BASELINES
from benchmarks.faults.cases import EXTRA, PARTS, all_cases, fault_of, table
from benchmarks.faults.intervals import macro_f1, wilson
from benchmarks.faults.judging import Judged, outcome
from benchmarks.faults.records import CaseRecord

RIGHT = ("named", "equivalent", "refused")
OUTCOMES = ("named", "equivalent", "refused", "listed", "cause", "unknown", "silent", "wrong")
SURE = (0.0, 0.7, 0.85, 0.93, 1.01)  # stated confidence
CAUSES = {"D": 1, "L": 1, "P": 1, "S": 1, "M": 2, "T": 3, "E": 4}


def report(records: Sequence[CaseRecord]) -> str:
    """Return every table of a state, development and held out apart."""
    cases = {case.id: case for case in all_cases()}
    latest = {record.case: record for record in records}
    judged = [Judged(cases[name], record) for name, record in latest.items() if name in cases]
    parts = [_part(part, own) for part in (*PARTS, *EXTRA) if (own := [one for one in judged if one.case.part == part])]
    return "\n\n".join(parts) or "nothing has been run"


def _part(part: str, judged: Sequence[Judged]) -> str:
    healthy = [one for one in judged if one.case.healthy]
    faulty = [one for one in judged if not one.case.healthy]
    counted = [one for one in faulty if one.hurts]
    known = [one for one in counted if not fault_of(one.case.faults[0].id)["unknown"]]
    single = [one for one in known if len(one.case.faults) == 1]
    groups = [
        ("all known faults", known),
        ("one fault", single),
        ("two faults at once", [one for one in known if len(one.case.faults) == 2]),
        ("real reports", [one for one in known if one.case.is_report]),
        ("declared in the configuration", [one for one in single if _by(one) == "config"]),
        ("inferred", [one for one in single if _by(one) != "config"]),
        ("kinds without a name", [one for one in counted if one not in known]),
    ]
    lines = [f"== {part}: {len(faulty)} faulty runs, {len(faulty) - len(counted)} of them harmless and not counted"]
    lines += [_line(name, own) for name, own in groups if own]
    lines += [
        _listed(counted, healthy),
        _calibration(counted, healthy),
        _false_alarms(healthy),
        _repairs(known),
        _cost(judged),
        "",
    ]
    lines += _baselines(known, healthy)
    lines += ["", *_kinds(faulty), "", *_confusions(known)]
    return "\n".join(lines)


def _by(one: Judged) -> str:
    by: str = fault_of(one.case.faults[0].id)["by"]
    return by


def _line(name: str, judged: Sequence[Judged]) -> str:
    outcomes = Counter(one.outcome for one in judged)
    right = sum(outcomes[kind] for kind in RIGHT)
    causes = sum(_cause_is_right(one) for one in judged)
    spread = ", ".join(f"{kind} {outcomes[kind]}" for kind in OUTCOMES if outcomes[kind])
    return f"{name:32} named {_share(right, len(judged))}, cause right {_share(causes, len(judged))}   {spread}"


def _share(hits: int, trials: int) -> str:
    low, high = wilson(hits, trials)
    return f"{hits / max(trials, 1):.2f} ({low:.2f} to {high:.2f}, {hits} of {trials})"


def _cause_is_right(one: Judged) -> bool:
    causes = {fault_of(fault.id)["cause"] for fault in one.case.faults}
    return one.outcome in RIGHT or (one.first is not None and one.first.cause in causes)


def _listed(counted: Sequence[Judged], healthy: Sequence[Judged]) -> str:
    """The precision of everything named: each name of each run, right or not; the macro-F1 of first names."""
    right = sum(_is_right(one, name.id) for one in counted for name in one.record.named)
    said = sum(len(one.record.named) for one in (*counted, *healthy))
    known = [one for one in counted if not fault_of(one.case.faults[0].id)["unknown"]]
    true, first = [_true(one) for one in known], [_first(one) for one in known]
    return (
        f"{'everything named':32} precision {_share(right, said)}; macro-F1 of first names {macro_f1(true, first):.2f}"
    )


def _calibration(counted: Sequence[Judged], healthy: Sequence[Judged]) -> str:
    """How often the first name is right, by how sure the product says it is; of a healthy run none is."""
    first = [(one.first.confidence, one.outcome in RIGHT) for one in counted if one.first is not None]
    first += [(one.first.confidence, False) for one in healthy if one.first is not None]
    bins = [(low, [right for sure, right in first if low <= sure < high]) for low, high in pairwise(SURE)]
    told = ", ".join(f"from {low:.0%} sure {_share(sum(own), len(own))}" for low, own in bins if own)
    return f"{'right, by the stated confidence':32} {told or 'nothing named'}"


def _is_right(one: Judged, name: str) -> bool:
    return any(name == fault.id or name in fault_of(fault.id)["also"] for fault in one.case.faults)


def _true(one: Judged) -> str:
    """The fault that a case is counted under: of two, the one that was named first, else the first."""
    ids = [fault.id for fault in one.case.faults]
    return one.first.id if one.first is not None and one.first.id in ids else ids[0]


def _first(one: Judged) -> str:
    return _true(one) if one.outcome in RIGHT else one.first.id if one.first is not None else "nothing"


def _false_alarms(healthy: Sequence[Judged]) -> str:
    accused = [one for one in healthy if one.record.named]
    names = ", ".join(f"{one.case.id} {one.record.named[0].id}" for one in accused[:8])
    failed = sum(bool(one.record.error) for one in healthy)
    return f"{'false alarms on healthy runs':32} {_share(len(accused), len(healthy))}   {names}" + (
        f"; {failed} ended with an error" if failed else ""
    )


def _repairs(known: Sequence[Judged]) -> str:
    tried = [one for one in known if one.is_repaired is not None]
    repaired = sum(bool(one.is_repaired) for one in tried)
    equivalent = sum(bool(one.is_repaired) and one.outcome not in RIGHT for one in tried)
    have = sum(row.get("repair", False) for row in table("catalogue").values())
    return (
        f"{'repairs verified':32} {_share(repaired, len(tried))}, {equivalent} of them under another name; "
        f"{have} of {len(table('catalogue'))} kinds have an override"
    )


def _cost(judged: Sequence[Judged]) -> str:
    seconds = [one.record.diagnose_seconds for one in judged]
    middle, train = statistics.median(seconds), statistics.median(one.record.train_seconds for one in judged)
    probed = sum(one.record.probed for one in judged)
    return (
        f"{'cost':32} diagnosis {middle:.1f} s (median, at most {max(seconds):.1f}); a run {train:.1f} s; "
        f"{probed} of {len(judged)} with probes"
    )


def _baselines(known: Sequence[Judged], healthy: Sequence[Judged]) -> list[str]:
    lines = []
    for name, rule in BASELINES.items():
        said = [rule(one.record) for one in known]
        outcomes = Counter(_outcome_of(one, word) for one, word in zip(known, said, strict=True))
        alarms = sum(rule(one.record) is not None for one in healthy)
        right = sum(outcomes[kind] for kind in RIGHT)
        spread = ", ".join(f"{kind} {outcomes[kind]}" for kind in OUTCOMES if outcomes[kind])
        lines.append(
            f"{name:32} named {_share(right, len(known))}, false alarms {_share(alarms, len(healthy))}   {spread}"
        )
    return lines


def _outcome_of(one: Judged, word: str | None) -> str:
    return outcome(one.case, [word] if word else [], [CAUSES[word[0]]] if word else [])


def _kinds(faulty: Iterable[Judged]) -> list[str]:
    """One line a kind of fault, its cases in a row of outcomes; harmless ones by number."""
    kinds: dict[str, list[Judged]] = {}
    for one in faulty:
        kinds.setdefault("+".join(fault.id for fault in one.case.faults), []).append(one)
    return [_kind(name, own) for name, own in kinds.items() if len(own[0].case.faults) == 1]


def _kind(name: str, own: Sequence[Judged]) -> str:
    counted = [one for one in own if one.hurts]
    outcomes = Counter(one.outcome for one in counted)
    spread = ", ".join(f"{kind} {outcomes[kind]}" for kind in OUTCOMES if outcomes[kind])
    first = Counter(one.first.id if one.first else "nothing" for one in counted)
    said = " ".join(f"{word}×{times}" if times > 1 else word for word, times in first.most_common(6))
    loss = statistics.median(one.loss for one in own)
    harmless = f", harmless {len(own) - len(counted)}" if len(own) > len(counted) else ""
    return f"{name:4} {fault_of(name)['name'][:46]:46} costs {loss:5.1%}  {spread}{harmless}   first: {said}"


def _confusions(known: Sequence[Judged]) -> list[str]:
    """The wrong first names, most frequent first: what was injected -> what was said."""
    wrong = Counter(
        ("+".join(fault.id for fault in one.case.faults), one.first.id)
        for one in known
        if one.first is not None and one.outcome not in RIGHT
    )
    pairs = ", ".join(f"{true}→{said} {count}" for (true, said), count in wrong.most_common(40))
    return [f"confused: {pairs or 'nothing'}"]
