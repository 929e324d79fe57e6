"""Images that occur twice: in two splits, under two labels or within a class; and groups divided between splits."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from cnnexp.data_check.checked_dataset import CheckedDataset, Rows
from cnnexp.data_check.placeholders import placeholder_rows
from cnnexp.records import DataImage, DataIssue
from cnnexp.system.text import plural


def duplicates(dataset: CheckedDataset) -> Iterator[DataIssue]:
    """Report each set of equal images by its effect: leakage, contradicting labels, or neither of the two."""
    groups = _groups(dataset)
    leaking = [group for group in groups if len(set(dataset.splits[group])) > 1]
    contradicting = [group for group in groups if len(set(dataset.labels[group])) > 1]
    repeating = [g for g in groups if len(set(dataset.splits[g])) == 1 and len(set(dataset.labels[g])) == 1]
    if leaking:
        repeated = sum(int((dataset.splits[group] != dataset.splits[group].min()).sum()) for group in leaking)
        yield _issue(
            dataset,
            leaking,
            fault="S1",
            title="leakage between splits",
            sentence=f"{plural(repeated, 'image of one split occurs', 'images of one split occur')} again in another, "
            "so that scores on them are too good",
            repair="keep each on one side only",
        )
    if contradicting:
        yield _issue(
            dataset,
            contradicting,
            fault="L1",
            title="one image, two labels",
            sentence=f"{plural(len(contradicting), 'image occurs', 'images occur')} under more than one label, of "
            "which one at most is right",
            repair="look at each and keep the right label",
        )
    if repeating:
        repeated = sum(len(group) - 1 for group in repeating)
        yield _issue(
            dataset,
            repeating,
            fault="D4",
            title="duplicates",
            sentence=f"{plural(repeated, 'image repeats', 'images repeat')} another of the same class and split",
            repair="remove them, unless they are meant to count twice",
        )


def divided_groups(dataset: CheckedDataset) -> Iterator[DataIssue]:
    """Report groups of images, such as those of one patient, that declared splits divide."""
    if dataset.groups is None:
        return
    used = dataset.used()
    order = used[np.lexsort((used, dataset.splits[used], dataset.groups[used]))]
    ends = np.flatnonzero(np.diff(dataset.groups[order], prepend=-1, append=-1))
    groups = [order[start:stop] for start, stop in pairwise(ends)]
    divided = [group for group in groups if len(set(dataset.splits[group])) > 1]
    if divided:
        yield DataIssue(
            id="S2",
            title="groups on two sides of a split",
            sentence=f"There are images of {plural(len(divided), 'group')} (data.group) in more than one split, so "
            "that scores on them are too good.",
            stops=False,
            evidence={"groups": len(divided), "images": sum(len(group) for group in divided)},
            groups=tuple(_first_per_split(dataset, group) for group in divided),
            repair="declare the splits by group, or let cnnexp make them",
        )


def _first_per_split(dataset: CheckedDataset, group: Rows) -> tuple[DataImage, ...]:
    """Name the first image of a group in each split; rows come sorted by split."""
    _, firsts, counts = np.unique(dataset.splits[group], return_index=True, return_counts=True)
    return tuple(
        dataset.image(int(group[first]), f"of {plural(int(count), 'image')} of this group")
        for first, count in zip(firsts, counts, strict=True)
    )


def _issue(
    dataset: CheckedDataset, groups: list[Rows], *, fault: str, title: str, sentence: str, repair: str
) -> DataIssue:
    exact = sum(len(group) - len(set(dataset.duplicate_of[group])) for group in groups)
    near = sum(len(set(dataset.duplicate_of[group])) - 1 for group in groups)
    kinds = [text for number, text in ((exact, f"{exact:,} exact"), (near, f"{near:,} near")) if number]
    return DataIssue(
        id=fault,
        title=title,
        sentence=f"{sentence} ({' and '.join(kinds)}).",
        stops=False,
        evidence={"groups": len(groups), "exact": exact, "near": near},
        groups=tuple(_named(dataset, group) for group in groups),
        repair=repair,
    )


def _groups(dataset: CheckedDataset) -> list[Rows]:
    """Return sets of rows that are in a split and equal or nearly equal, directly or through others, by first row.

    Without images that show nothing of what they are labelled as: these are no copies of each other.
    """
    used = np.setdiff1d(dataset.used(), placeholder_rows(dataset))
    first = dataset.duplicate_of[used]
    root = _connected(dataset.properties.near_duplicates, first)
    keys = np.array([root.get(row, row) for row in first.tolist()], np.int64)
    order = np.argsort(keys, kind="stable")
    ends = np.flatnonzero(np.diff(keys[order], prepend=-1, append=-1))
    return [used[order[start:stop]] for start, stop in pairwise(ends) if stop - start > 1]


def _connected(pairs: Rows, present: Rows) -> dict[int, int]:
    """Map the rows of pairs, both of which are present, to the lowest row they are connected with."""
    root: dict[int, int] = {}

    def find(row: int) -> int:
        while root.setdefault(row, row) != row:
            row = root[row]
        return row

    for one, other in pairs[np.isin(pairs, present).all(axis=1)].tolist():
        low, high = sorted((find(one), find(other)))
        root[high] = low
    return {row: find(row) for row in root}


def _named(dataset: CheckedDataset, group: Rows) -> tuple[DataImage, ...]:
    """Name the images of a group, training images first, each with its similarity to the most similar one."""
    ordered = group[np.argsort(dataset.splits[group], kind="stable")]
    firsts, counts = np.unique(dataset.duplicate_of[group], return_counts=True)
    notes = dict.fromkeys(firsts[counts > 1].tolist(), "identical")
    pairs, similarity = dataset.properties.near_duplicates, dataset.properties.similarity
    inside = np.flatnonzero(np.isin(pairs, firsts).all(axis=1))
    for place in inside[np.argsort(-similarity[inside])].tolist():
        for row in pairs[place].tolist():
            notes.setdefault(row, f"correlation {similarity[place]:.3f}")
    return tuple(dataset.image(row, notes[dataset.duplicate_of[row]]) for row in ordered.tolist())
