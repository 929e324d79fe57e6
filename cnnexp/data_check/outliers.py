"""Single images far from the rest of this data set.

What is far follows from the rest alone (peaks over a threshold, Pickands 1975, with shape 0). In the outer twentieth
of either side, the density of a clean data set falls at least exponentially; its scale is estimated from the median of
that twentieth, which a few outliers hardly change, and is at least that of a normal distribution. An image is an
outlier beyond the value that a clean data set of this size exceeds in one case out of a hundred, over all properties
and both sides.
"""

from collections.abc import Iterator

import numpy as np

from cnnexp.data_check.checked_dataset import CheckedDataset, Rows
from cnnexp.data_check.image_properties import PROPERTIES, Property, Values
from cnnexp.records import DataIssue
from cnnexp.system.text import plural

FEWEST = 40  # images that show what is usual: two in the outer twentieth
TAIL = 0.05  # share of the images on either side
NORMAL = 0.26  # mean excess over the twentieth, per distance of that from the median, of a normal distribution
CHANCE = 0.01  # that an image of a clean data set is reported
COMMON = 0.95  # share of the usual colour mode from which another one is an exception


def outliers(dataset: CheckedDataset) -> Iterator[DataIssue]:
    """Report images far from the rest in any property, each once, with all the properties concerned."""
    rows = dataset.used()
    if len(rows) < FEWEST:
        return
    notes: dict[int, list[str]] = {}
    names: dict[str, int] = {}
    for one in PROPERTIES:
        for row, side in _far(one.values(dataset.properties)[rows], one, dataset, rows):
            notes.setdefault(row, []).append(f"{one.shown(dataset.properties, row)}, {side}")
            names[one.name] = names.get(one.name, 0) + 1
    for row, note in _other_modes(dataset, rows):
        notes.setdefault(row, []).append(note)
        names["colour mode"] = names.get("colour mode", 0) + 1
    if notes:
        yield DataIssue(
            id="D2",
            title="far from the rest",
            sentence=f"{plural(len(notes), 'image')} far from the rest in {_joined(names)}.",
            stops=False,
            evidence={"images": len(notes), **{f"in {name}": count for name, count in names.items()}},
            groups=tuple((dataset.image(row, "; ".join(dict.fromkeys(notes[row]))),) for row in sorted(notes)),
            repair="look at them; remove or repair what does not belong",
        )


def _far(values: Values, one: Property, dataset: CheckedDataset, rows: Rows) -> Iterator[tuple[int, str]]:
    """Yield the rows beyond either end, each with a note of the usual value."""
    middle = int(rows[np.argmin(np.abs(values - np.median(values)))])
    usual = f"usually {one.shown(dataset.properties, middle).removeprefix(one.name + ' ')}"
    for sign in (1, -1):
        far = sign * values > end_of_tail(sign * values, step=one.step)
        yield from ((int(row), usual) for row in rows[far])


def end_of_tail(values: Values, *, step: float) -> float:
    """Return the value that clean data of this size exceed with a probability of at most CHANCE."""
    middle, begin, within = np.quantile(values, [0.5, 1 - TAIL, 1 - TAIL / 2]).tolist()
    scale = max((within - begin) / np.log(2), NORMAL * (begin - middle), step)
    return float(begin + scale * np.log(len(values) * TAIL * 2 * len(PROPERTIES) / CHANCE))


def _other_modes(dataset: CheckedDataset, rows: Rows) -> Iterator[tuple[int, str]]:
    found = dataset.properties.color_modes(rows)
    names, counts = np.unique(found, return_counts=True)
    usual = names[counts.argmax()]
    if counts.max() >= COMMON * len(rows):
        for place in np.flatnonzero(found != usual):
            yield int(rows[place]), f"colour mode {found[place]}, usually {usual}"


def _joined(names: dict[str, int]) -> str:
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
