"""The parts of the benchmark, counted and hashed, so that nobody can move a case from one to the other unseen."""

from benchmarks.faults.cases import ADDED, HERE, PARTS, cases_of, hash_of

RECORDED = HERE / "split.sha256"


def lines() -> str:
    """Return a line for each part that was fixed: hash, number of cases, name."""
    return "".join(map(_line, PARTS))


def added() -> str:
    """Return the line of the cases that were added since; these are for development, and may change."""
    return _line(ADDED)


def _line(part: str) -> str:
    return f"{hash_of(part)}  {len(cases_of(part)):5}  {part}\n"


def is_unchanged() -> bool:
    """Return whether the tables still make the cases that were fixed."""
    return RECORDED.read_text() == lines()
