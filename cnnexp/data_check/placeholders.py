"""Images that show nothing of what they are labelled as: of one colour, or one picture in place of many.

A missing file, a failed download, a closed shutter or a conversion that went wrong leaves them. Whatever their label
is, no image belongs to it: they are neither leaked nor labelled wrongly, so that other checks leave them out.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from cnnexp.data_check.checked_dataset import CheckedDataset, Rows
from cnnexp.records import SPLIT_NAMES, DataIssue
from cnnexp.system.text import plural

OF_ONE_COLOUR = "images of one colour"  # titles of the issues
ONE_PICTURE = "one picture in place of many"
LEAST_SHARE = 0.02  # of the images of a split: fewer change no score by what counts
FEWEST = 3  # images of one colour of a split
# Of one picture: less may be chance, or images that are meant to count more. Those have one label, or a few others by
# mistake; in place of many, no label has most of them.
FEWEST_COPIES, MOST_OF_A_LABEL = 10, 0.75
MOST_PICTURES = 5  # more are images of which so little is left that many are the same
# A class of its own may be "nothing": then nearly all images of one colour are of it, in every split alike.
OWN_CLASS = 0.9
BY_CHANCE = 1e-3  # that a split has none of them, where it is drawn like the others


def placeholders(dataset: CheckedDataset) -> Iterator[DataIssue]:
    """Report images of one colour, and pictures that stand in place of many, as far as a split has enough of them."""
    empty, repeated = _empty(dataset), _repeated(dataset)
    if len(empty):
        yield _issue(
            dataset,
            [empty],
            fault="D2",
            title=OF_ONE_COLOUR,
            what=f"{plural(len(empty), 'image is', 'images are')} of one colour and show nothing",
        )
    if repeated:
        copies = sum(map(len, repeated))
        yield _issue(
            dataset,
            repeated,
            fault="D4",
            title=ONE_PICTURE,
            what=f"{copies:,} images are the same as others, under several labels "
            f"({plural(len(repeated), 'picture')}), as where a file was missing",
        )


def placeholder_rows(dataset: CheckedDataset) -> Rows:
    """Return the rows of all these images, ascending."""
    found = [_empty(dataset), *_repeated(dataset)]
    return np.unique(np.concatenate(found))


def _empty(dataset: CheckedDataset) -> Rows:
    """Return the rows of images of one colour; none where they are few, or a class of their own."""
    rows = dataset.used()
    rows = rows[dataset.properties.empty[rows]]
    if not _is_enough(dataset, rows) or _is_own_class(dataset, rows):
        return np.empty(0, np.int64)
    return rows


def _repeated(dataset: CheckedDataset) -> list[Rows]:
    """Return the rows of each picture that occurs, equal in all pixels, under labels of which none has most of them."""
    rows = dataset.used()
    rows = rows[~dataset.properties.empty[rows]]
    firsts, counts = np.unique(dataset.duplicate_of[rows], return_counts=True)
    found = [rows[dataset.duplicate_of[rows] == first] for first in firsts[counts >= FEWEST_COPIES]]
    found = [own for own in found if np.bincount(dataset.labels[own]).max() <= MOST_OF_A_LABEL * len(own)]
    if len(found) > MOST_PICTURES:
        return []
    return found if found and _is_enough(dataset, np.concatenate(found)) else []


def _is_enough(dataset: CheckedDataset, rows: Rows) -> bool:
    here, of_all = (_by_split(dataset, own) for own in (rows, dataset.used()))
    return bool((here >= np.maximum(FEWEST, LEAST_SHARE * of_all)).any())


def _is_own_class(dataset: CheckedDataset, rows: Rows) -> bool:
    counts = np.bincount(dataset.labels[rows])
    label = int(counts.argmax())
    if counts[label] < OWN_CLASS * len(rows):
        return False
    of_class = dataset.used()[dataset.labels[dataset.used()] == label]
    here, of_all = (_by_split(dataset, own) for own in (rows, of_class))
    missing = of_all[here == 0].sum()
    return bool((1 - len(rows) / len(of_class)) ** missing >= BY_CHANCE)


def _by_split(dataset: CheckedDataset, rows: Rows) -> NDArray[np.int64]:
    return np.bincount(dataset.splits[rows], minlength=len(SPLIT_NAMES))


def _issue(dataset: CheckedDataset, groups: list[Rows], *, fault: str, title: str, what: str) -> DataIssue:
    rows = np.concatenate(groups)
    here, of_all = (_by_split(dataset, own) for own in (rows, dataset.used()))
    shares = {name: float(here[k] / of_all[k]) for k, name in enumerate(SPLIT_NAMES) if here[k]}
    told = ", ".join(f"{share:.0%} of {name}" for name, share in shares.items())
    return DataIssue(
        id=fault,
        title=title,
        sentence=f"{what} ({told}).",
        stops=False,
        evidence={"images": len(rows)} | {f"share of {name}": share for name, share in shares.items()},
        groups=tuple(tuple(dataset.image(int(row)) for row in own) for own in groups),
        repair="look at them, and take or load these images again; or leave them out",
    )
