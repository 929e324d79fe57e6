"""The parts of the benchmark, counted and hashed, so that nobody can move a case from one to the other unseen."""

from benchmarks.faults.cases import HERE, PARTS, cases_of, hash_of

RECORDED = HERE / "split.sha256"


def lines() -> str:
    """Return a line for each part: hash, number of cases, name."""
    return "".join(f"{hash_of(part)}  {len(cases_of(part)):5}  {part}\n" for part in PARTS)


def is_unchanged() -> bool:
    """Return whether the tables still make the cases that were fixed."""
    return RECORDED.read_text() == lines()
