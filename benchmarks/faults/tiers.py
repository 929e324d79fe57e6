"""Which cases a tier has, and in which order: `ci` one of each kind, with one data set and network, `full` all."""

from collections.abc import Iterator

from benchmarks.faults.cases import EXTRA, Case, cases_of, number_of, table

CI = {"development": ("digits", "small"), "held_out": ("fashion_b", "vgg")}  # neither needs files; cheap to train


def chosen(tier: str, part: str) -> tuple[Case, ...]:
    """Return the cases of a tier; any first cases of `full` are a mixture of all kinds, healthy ones among them."""
    cases = cases_of(part)
    if part in EXTRA:
        return cases
    if tier == "full":
        return tuple(_interleaved(cases))
    return tuple(_one_of_each(cases, *CI[part]))


def _one_of_each(cases: tuple[Case, ...], data: str, network: str) -> Iterator[Case]:
    """Return one case of each fault, at the highest severity of its part, and one of each healthy kind."""
    wanted = [case for case in cases if (case.data, case.architecture) == (data, network) and not case.is_report]
    for identifier in table("catalogue"):
        own = [case for case in wanted if [fault.id for fault in case.faults] == [identifier]]
        yield from own[-1:]
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
