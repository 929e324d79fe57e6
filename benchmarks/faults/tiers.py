"""Which cases a tier has, and in which order: `ci` about 50 of the development part, `full` all of a part."""

from collections.abc import Iterator

from benchmarks.faults.cases import Case, cases_of, number_of, table

CI_DATA, CI_NETWORK = "digits", "small"  # no files are needed, and a run takes seconds


def chosen(tier: str, part: str) -> tuple[Case, ...]:
    """Return the cases of a tier; any first cases of `full` are a mixture of all kinds, healthy ones among them."""
    cases = cases_of(part)
    if tier == "full":
        return tuple(_interleaved(cases))
    return tuple(_one_of_each(cases))


def _one_of_each(cases: tuple[Case, ...]) -> Iterator[Case]:
    """Return one case of each fault, at its highest severity, and one of each healthy kind."""
    wanted = [case for case in cases if case.data == CI_DATA and case.architecture == CI_NETWORK and not case.is_report]
    for number, identifier in enumerate(table("catalogue")):
        own = [case for case in wanted if [fault.id for fault in case.faults] == [identifier]]
        high = [case for case in own if case.id.endswith("/high")]
        yield from high[number % len(high) :][:1] if high else ()
    for number, identifier in enumerate(table("healthy")):
        own = [case for case in wanted if case.healthy == identifier]
        yield from own[number % len(own) :][:1] if own else ()


def _interleaved(cases: tuple[Case, ...]) -> Iterator[Case]:
    """Return the cases in turns of their kinds, so that a part that was stopped has seen them all."""
    kinds: dict[str, list[Case]] = {}
    for case in cases:
        kinds.setdefault("+".join(fault.id for fault in case.faults) or str(case.healthy), []).append(case)
    queues = [sorted(own, key=lambda case: number_of(case.id)) for own in kinds.values()]
    for turn in range(max(map(len, queues))):
        yield from (own[turn] for own in queues if turn < len(own))
