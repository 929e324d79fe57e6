"""Single images far from the rest of this data set.

Far is told from the rest alone. Beyond the outer twentieth of a side the values of a clean data set thin out at least
exponentially; how fast, the middle of that twentieth tells, which a few strangers in it cannot move (peaks over a
threshold, Pickands 1975, with the shape 0), and never faster than in a normal distribution. Beyond the value that a
data set of this size reaches in one case of a hundred, over all properties and both sides, an image does not belong.
"""

from collections.abc import Iterator

import numpy as np

from cnnexp.data_check.facts import Facts, Rows
from cnnexp.data_check.properties import PROPERTIES, Property, Values, modes
from cnnexp.records import DataIssue
from cnnexp.system.text import plural

FEWEST = 40  # images, that can tell what is usual: two in the outer twentieth
TAIL = 0.05  # share of a side
NORMAL = 0.26  # mean excess over the twentieth, per distance of that from the median, of a normal distribution
CHANCE = 0.01  # that a clean data set has an image accused
COMMON = 0.95  # share of a colour mode beside which another is an exception


def outliers(facts: Facts) -> Iterator[DataIssue]:
    """Report images far from the rest in any property, each once, with all its properties."""
    rows = facts.used()
    if len(rows) < FEWEST:
        return
    notes: dict[int, list[str]] = {}
    names: dict[str, int] = {}
    for one in PROPERTIES:
        for row, side in _far(one.of(facts.measures)[rows], one, facts, rows):
            notes.setdefault(row, []).append(f"{one.shown(facts.measures, row)}, {side}")
            names[one.name] = names.get(one.name, 0) + 1
    for row, note in _other_modes(facts, rows):
        notes.setdefault(row, []).append(note)
        names["colour mode"] = names.get("colour mode", 0) + 1
    if notes:
        yield DataIssue(
            id="D2",
            title="far from the rest",
            sentence=f"{plural(len(notes), 'image')} far from the rest in {_joined(names)}.",
            stops=False,
            evidence={"images": len(notes), **{f"in {name}": count for name, count in names.items()}},
            groups=tuple((facts.image(row, "; ".join(dict.fromkeys(notes[row]))),) for row in sorted(notes)),
            repair="look at them; remove or repair what does not belong",
        )


def _far(values: Values, one: Property, facts: Facts, rows: Rows) -> Iterator[tuple[int, str]]:
    """Yield the rows beyond either tail, and what the usual value is."""
    middle = int(rows[np.argmin(np.abs(values - np.median(values)))])
    usual = f"usually {one.shown(facts.measures, middle).removeprefix(one.name + ' ')}"
    for sign in (1, -1):
        far = sign * values > end_of_tail(sign * values, step=one.step)
        yield from ((int(row), usual) for row in rows[far])


def end_of_tail(values: Values, *, step: float) -> float:
    """Return the value that clean data of this number reach above with a probability of CHANCE at most."""
    middle, begin, within = np.quantile(values, [0.5, 1 - TAIL, 1 - TAIL / 2]).tolist()
    scale = max((within - begin) / np.log(2), NORMAL * (begin - middle), step)
    return float(begin + scale * np.log(len(values) * TAIL * 2 * len(PROPERTIES) / CHANCE))


def _other_modes(facts: Facts, rows: Rows) -> Iterator[tuple[int, str]]:
    found = modes(facts, rows)
    names, counts = np.unique(found, return_counts=True)
    usual = names[counts.argmax()]
    if counts.max() >= COMMON * len(rows):
        for place in np.flatnonzero(found != usual):
            yield int(rows[place]), f"colour mode {found[place]}, usually {usual}"


def _joined(names: dict[str, int]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
