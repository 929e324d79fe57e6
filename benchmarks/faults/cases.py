"""All cases of the benchmark, from the tables: which fault, in which data, network and strength; the same every time.

A case has an id such as ``P5/signs/vgg/middle``. What a case is follows from the tables alone, so that the parts can be
hashed before anything is run.
"""

import hashlib
import json
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PARTS = ("development", "held_out")
ADDED = (
    "added"  # after the parts were fixed, for development: kinds that the catalogue does not have, reports, pretrained
)
STRANGERS = "strangers"  # held out, as the detectors were last changed: kinds like those of the catalogue, asked once
EXTRA = (ADDED, STRANGERS)
COLOUR = ("cifar_a", "cifar_b", "signs")
PAIRS = 10  # one more case with two faults at once for so many with one
HEALTHY_SEEDS = 4  # runs of each healthy kind, data set and part; their seeds are 0, 1, ...
SEEDS = 5  # so few that cases share the runs they are compared with
# Faults that a frozen backbone can have; its features are computed once for all images that are alike.
PRETRAINED = ("D5", "D6", "L1", "L2", "L3", "L4", "P3", "P5", "P6", "P7", "S1", "S5", "M3", "T1", "T2", "T3", "E1")


@dataclass(frozen=True, slots=True)
class Fault:
    """One injected fault."""

    id: str
    amount: float | int | str


@dataclass(frozen=True, slots=True)
class Case:
    """One run to diagnose."""

    id: str
    part: str  # development | held_out
    data: str
    architecture: str
    faults: tuple[Fault, ...]  # none: healthy
    healthy: str | None  # id in healthy.toml
    seed: int
    overrides: tuple[str, ...] = ()  # of a report, in place of those of the architecture

    @property
    def is_report(self) -> bool:
        return self.id.startswith("R")


@cache
def table(name: str) -> Mapping[str, Any]:
    """Return one of the TOML tables."""
    return tomllib.loads((HERE / f"{name}.toml").read_text())


def all_cases() -> tuple[Case, ...]:
    return tuple(case for part in (*PARTS, *EXTRA) for case in cases_of(part))


def cases_of(part: str) -> tuple[Case, ...]:
    """Return the cases of a part, faults first, then pairs, reports and healthy runs."""
    if part == ADDED:
        return tuple(_added())
    if part == STRANGERS:
        return tuple(_strangers())
    single = tuple(_single(part))
    return (*single, *_pairs(part, single), *_reports(part), *_healthy(part))


def hash_of(part: str) -> str:
    """Return the sha256 (hex) of everything that the cases of a part are made of."""
    text = json.dumps([asdict(case) for case in cases_of(part)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def fault_of(identifier: str) -> Mapping[str, Any]:
    """Return the row of a fault, every column filled in."""
    unsaid = {"also": [], "harm": "score", "repair": False, "unknown": False, "clean": "test", "refusal": None}
    return {**unsaid, **(table("catalogue") | table("siblings") | table("strangers"))[identifier]}


def _single(part: str) -> Iterator[Case]:
    split = table("split")
    for identifier, row in table("catalogue").items():
        for data in split["data"][part]:
            for architecture in split["architectures"][part]:
                if _is_possible(identifier, row, data, architecture):
                    for severity in split["severities"][part]:
                        name = f"{identifier}/{data}/{architecture}/{severity}"
                        yield _case(name, part, data, architecture, (Fault(identifier, row[severity]),))


def _is_possible(identifier: str, row: Mapping[str, Any], data: str, architecture: str) -> bool:
    if identifier == "P5" and data not in COLOUR:
        return False
    is_network = identifier in ("M1", "M2") or "model=brought" in row["how"]
    return not (is_network and architecture == "pretrained")


def _pairs(part: str, single: tuple[Case, ...]) -> Iterator[Case]:
    """Add a fault of another cause to every tenth case, in the order of the hashes of their ids."""
    for case in sorted(single, key=lambda case: number_of(case.id))[::PAIRS]:
        first = fault_of(case.faults[0].id)
        others = [
            identifier
            for identifier, row in table("catalogue").items()
            if row["cause"] != first["cause"] and row["by"] in ("arrays", "config") and not row.get("unknown")
            if _is_possible(identifier, row, case.data, case.architecture)
            if first["by"] in ("arrays", "code") and not first["unknown"]
        ]
        if others:
            other = others[number_of(case.id + "+") % len(others)]
            severity = case.id.rpartition("/")[2]
            second = Fault(other, table("catalogue")[other][severity])
            name = f"{case.faults[0].id}+{other}/{case.data}/{case.architecture}/{severity}"
            yield _case(name, part, case.data, case.architecture, (*case.faults, second))


def _reports(part: str) -> Iterator[Case]:
    """Give each report a data set and a network of its part, in turn."""
    split = table("split")
    for identifier, row in table("reports").items():
        number = int(identifier[1:])
        if (number % 2 == 0) == (part == "held_out"):
            wanted = COLOUR if row["fault"] == "P5" else split["data"][part]
            places = [data for data in split["data"][part] if data in wanted]
            networks = [name for name in split["architectures"][part] if name != "pretrained"]
            yield _case(
                identifier,
                part,
                row.get("data", places[number // 2 % len(places)]),
                networks[number // 2 % len(networks)],
                (Fault(row["fault"], row["amount"]),),
                overrides=tuple(row.get("overrides", ())),
            )


def _healthy(part: str) -> Iterator[Case]:
    split = table("split")
    for identifier, row in table("healthy").items():
        own = row.get("architecture")
        for data in split["data"][part]:
            networks = [own] if own else [name for name in split["architectures"][part] if name != "pretrained"]
            if own is None or own in split["architectures"][part]:
                for number in range(HEALTHY_SEEDS):
                    name = f"{identifier}/{data}/{networks[number % len(networks)]}/{number}"
                    case = _case(name, part, data, networks[number % len(networks)], (), healthy=identifier)
                    yield replace(case, seed=number)


def _added() -> Iterator[Case]:
    """Yield kinds beside those of the catalogue, more reports, and runs that begin with a pretrained network."""
    for identifier, row in table("siblings").items():
        data, network = row.get("data", "digits"), row.get("architecture", "small")
        yield _case(f"{identifier}/{data}/{network}", ADDED, data, network, (Fault(identifier, row["amount"]),))
    for identifier, row in table("reports_added").items():
        data, network = row.get("data", "fashion_a"), row.get("architecture", "small")
        fault = Fault(row["fault"], row["amount"])
        yield _case(identifier, ADDED, data, network, (fault,), overrides=tuple(row.get("overrides", ())))
    for identifier in PRETRAINED:
        fault = Fault(identifier, table("catalogue")[identifier]["high"])
        yield _case(f"{identifier}/cifar_a/pretrained/high", ADDED, "cifar_a", "pretrained", (fault,))
    for number in range(HEALTHY_SEEDS):
        case = _case(f"H11/cifar_a/pretrained/{number}", ADDED, "cifar_a", "pretrained", (), healthy="H11")
        yield replace(case, seed=number)


def _strangers() -> Iterator[Case]:
    for identifier, row in table("strangers").items():
        data, network = row.get("data", "fashion_b"), row.get("architecture", "vgg")
        yield _case(f"{identifier}/{data}/{network}", STRANGERS, data, network, (Fault(identifier, row["amount"]),))


def _case(
    name: str,
    part: str,
    data: str,
    architecture: str,
    faults: tuple[Fault, ...],
    *,
    healthy: str | None = None,
    overrides: tuple[str, ...] = (),
) -> Case:
    return Case(name, part, data, architecture, faults, healthy, number_of(name) % SEEDS, overrides)


def number_of(text: str) -> int:
    """Return a whole number that follows from a text alone."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16)
