"""What a case left behind: the product's verdict as it was given, curves and scores; one JSON line each."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True)
class Named:
    """One verdict, as the product ranked it."""

    id: str
    cause: int
    declared: bool
    repair: str
    confidence: float = 0.0  # as stated, 0..1
    basis: str = ""  # kind of evidence, as stated


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRecord:
    """One finished case."""

    case: str
    part: str
    version: str  # commit of the product
    named: tuple[Named, ...]  # first name first
    probed: bool  # by `cnnexp diagnose`; False: recorded findings and data issues alone
    error: str  # of the run or of the diagnosis; empty: none
    reported: float | None  # accuracy that the run reports of its test images
    clean: float | None  # of its model on clean test images
    control: float | None  # of a matched run without the fault, on the same clean images; None: it was not needed
    p_value: float | None  # that the fault does no harm, of a one-sided sign-flip test
    repaired: float | None = None  # of a run with the suggested override, on clean images; None: not tried
    train_seconds: float = 0.0
    diagnose_seconds: float = 0.0
    curves: Mapping[str, list[float]] = field(default_factory=dict)
    signals: Mapping[str, float] = field(default_factory=dict)  # what the baselines need beside the curves
    raw: Any = None  # the verdict as it was printed


def read(path: Path) -> Iterator[CaseRecord]:
    """Return the records of a file of JSON lines; none if there is no such file."""
    if path.is_file():
        for line in path.read_text().splitlines():
            values = json.loads(line)
            yield CaseRecord(**values | {"named": tuple(Named(**named) for named in values["named"])})
