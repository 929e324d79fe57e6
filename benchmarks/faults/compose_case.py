"""What a case becomes: the data it writes, and the command line it is run with; and the same without its faults."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.faults import files, harmless
from benchmarks.faults.cases import HERE, Case, Fault, fault_of, table
from benchmarks.faults.data_sets import Part, Places, load
from benchmarks.faults.injections import injection

# Long enough for every healthy network here, and stopped early as by default.
BASE = ("training.epochs=25", "training.patience=8", "optimizer.learning_rate=0.002", "training.threads=1")
EXTENSION = HERE / "brought_along.py"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A command line, and clean test images to judge what it trains."""

    overrides: tuple[str, ...]
    clean_test: Part
    class_names: tuple[str, ...]
    data_file: Path | None  # the archive that the run reads; None: a folder


def prepare(case: Case, folder: Path, places: Places, *, faulty: bool = True) -> Prepared:
    """Write the data of a case into `folder`; with ``faulty=False`` those of its control, which has none of its faults.

    Raises:
        SystemExit: a data set is missing.

    """
    clean = load(case.data, places, seed=case.seed)
    random = np.random.default_rng([case.seed, 2])
    faults = case.faults if faulty else ()
    data, written = clean, None
    if case.healthy is not None and (how := table("healthy")[case.healthy].get("how")):
        data = clean = getattr(harmless, how)(clean, random)
    for fault in faults:
        row = fault_of(fault.id)
        if row["by"] == "arrays":
            data = injection(row["how"])(data, fault.amount, random)
        elif row["by"] == "files":
            written = getattr(files, row["how"])(data, fault.amount, random, folder / "images")
    if written is None:
        data.save(folder / "data.npz")
        written = ("data=npz", f"data.path={folder / 'data.npz'}")
    place = (f"seed={case.seed}", f"data.cache={folder / 'cache'}")
    is_archive = "data=npz" in written
    return Prepared(
        merged(written, place, settings(case, faulty=faulty)),
        clean[fault_of(case.faults[0].id)["clean"] if case.faults else "test"],
        data.class_names,
        folder / "data.npz" if is_archive else None,
    )


def settings(case: Case, *, faulty: bool) -> tuple[str, ...]:
    """Return the overrides of a case, or of its control, beside those that say where its data are."""
    network = table("split")["overrides"][case.architecture]
    return merged(BASE, network, _changes(case, case.faults if faulty else ()), case.overrides)


def merged(*groups: Iterable[str]) -> tuple[str, ...]:
    """Return overrides of which later ones replace earlier ones, as a person would retype them."""
    kept: dict[str, str] = {}
    for override in (override for group in groups for override in group):
        key = override.partition("=")[0]
        for other in [name for name in kept if name.startswith(f"{key}.")]:
            del kept[other]
        kept.pop(key, None)
        kept[key] = override
    return tuple(kept.values())


def suggested_overrides(repair: str) -> tuple[str, ...]:
    """Return the overrides of a repair, none where it is another kind of action."""
    words = repair.split()
    is_override = all(re.fullmatch(r"[a-z_]+(\.[a-z_0-9]+)*=\S+", word) for word in words)
    return tuple(words) if words and is_override else ()


def _changes(case: Case, faults: Iterable[Fault]) -> tuple[str, ...]:
    """Return the overrides of faults and of healthy kinds; a control has the same network, without its fault."""
    healthy = table("healthy")[case.healthy].get("overrides", []) if case.healthy is not None else []
    changes = merged(*(_of_fault(fault) for fault in faults), healthy)
    is_brought = "model=brought" in (*changes, *(word for fault in case.faults for word in _of_fault(fault)))
    if is_brought:
        changes = tuple(change for change in changes if change != "model=brought")
        return merged(("model=brought", *table("split")["brought"][case.architecture]), changes)
    return merged(changes, *(_of_network(fault, case.architecture) for fault in faults))


def _of_fault(fault: Fault) -> list[str]:
    row = fault_of(fault.id)
    return [text.format(fault.amount) for text in row["how"]] if row["by"] in ("config", "code") else []


def _of_network(fault: Fault, architecture: str) -> list[str]:
    """Return what a fault needs beside, where a network of ours has such a setting."""
    return [text.format(fault.amount) for text in fault_of(fault.id).get(f"on_{architecture}", [])]
