"""Is a record's verdict right? Strict: the first name alone counts."""

from dataclasses import dataclass

from benchmarks.faults.cases import Case, fault_of
from benchmarks.faults.records import CaseRecord, Named

UNKNOWN = "U0"
LEAST_HARM, LEVEL, RECOVERED = 0.02, 0.05, 0.8  # accuracy; p-value; share of the loss that a repair brings back


@dataclass(frozen=True, slots=True)
class Judged:
    """A case, its record and what it comes to."""

    case: Case
    record: CaseRecord

    @property
    def first(self) -> Named | None:
        return self.record.named[0] if self.record.named else None

    @property
    def outcome(self) -> str:
        """named | equivalent | refused | listed | cause | unknown | silent | wrong, of the first name.

        `listed`: a later one is right; `refused`: the run was, in words that say the fault.
        """
        words = [fault_of(fault.id)["refusal"] for fault in self.case.faults]
        if any(word is not None and word in self.record.error for word in words):
            return "refused"
        return outcome(self.case, [one.id for one in self.record.named], [one.cause for one in self.record.named])

    @property
    def loss(self) -> float:
        """What the fault costs, or misleads by, in accuracy on the same clean images."""
        record, harm = self.record, fault_of(self.case.faults[0].id)["harm"]
        if record.reported is None or record.clean is None:
            return 1.0
        if harm == "report":
            return abs(record.reported - record.clean)
        if record.control is None:
            return 0.0
        return max(record.control - record.clean, record.clean - record.reported)

    @property
    def hurts(self) -> bool:
        """Whether the fault counts: otherwise it is present and harmless."""
        fault = fault_of(self.case.faults[0].id)
        if fault["harm"] == "always" or self.record.reported is None:
            return True
        return self.loss >= LEAST_HARM and (fault["harm"] == "report" or self._is_no_chance())

    def _is_no_chance(self) -> bool:
        record = self.record
        misreports = record.clean is not None and record.clean - (record.reported or 0.0) >= LEAST_HARM
        return misreports or (record.p_value is not None and record.p_value < LEVEL)

    @property
    def is_repaired(self) -> bool | None:
        """Whether the suggested override brought back most of what was lost; None: nothing was tried or lost."""
        record = self.record
        if record.repaired is None or record.control is None or record.clean is None:
            return None
        lost = record.control - record.clean
        return (record.repaired - record.clean) / lost >= RECOVERED if lost >= LEAST_HARM else None


def outcome(case: Case, named: list[str], causes: list[int]) -> str:
    """Return what a ranked list of ids and their causes is worth for a faulty case."""
    faults = [fault_of(fault.id) for fault in case.faults]
    right = {fault.id for fault in case.faults}
    also = {name for fault in faults for name in fault["also"]}
    first = named[0] if named else None
    if first is None:
        return "silent"
    if faults[0]["unknown"]:
        return "equivalent" if first in also else _of_unknown(first, causes[0], faults[0]["cause"])
    is_cause = causes[0] in {fault["cause"] for fault in faults}
    worth = {"named": first in right, "equivalent": first in also, "unknown": first == UNKNOWN}
    worth |= {"listed": bool(right & set(named)), "cause": is_cause, "wrong": True}
    return next(word for word, holds in worth.items() if holds)


def _of_unknown(first: str, cause: int, right_cause: int) -> str:
    """A kind without a name is right when it is called unknown, or when the cause is right."""
    if first == UNKNOWN:
        return "named"
    return "equivalent" if cause == right_cause else "wrong"
