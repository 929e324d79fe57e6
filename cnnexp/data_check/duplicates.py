"""Images that are there twice: on two sides of a split, under two labels or within a class; groups that are split."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from cnnexp.data_check.facts import Facts, Rows
from cnnexp.records import DataImage, DataIssue
from cnnexp.system.text import plural


def duplicates(facts: Facts) -> Iterator[DataIssue]:
    """Report each set of equal images by what it does: leak, contradict itself, or (neither of the two) only repeat."""
    groups = _groups(facts)
    leaking = [group for group in groups if len(set(facts.splits[group])) > 1]
    contradicting = [group for group in groups if len(set(facts.labels[group])) > 1]
    repeating = [g for g in groups if len(set(facts.splits[g])) == 1 and len(set(facts.labels[g])) == 1]
    if leaking:
        again = sum(int((facts.splits[group] != facts.splits[group].min()).sum()) for group in leaking)
        yield _issue(
            facts,
            leaking,
            fault="S1",
            title="leakage between splits",
            sentence=f"{plural(again, 'image of one split occurs', 'images of one split occur')} again in another, so "
            "that scores on them flatter",
            repair="keep each on one side only",
        )
    if contradicting:
        yield _issue(
            facts,
            contradicting,
            fault="L1",
            title="one image, two labels",
            sentence=f"{plural(len(contradicting), 'image occurs', 'images occur')} under more than one label, of "
            "which one at most is right",
            repair="look at each and keep the right label",
        )
    if repeating:
        again = sum(len(group) - 1 for group in repeating)
        yield _issue(
            facts,
            repeating,
            fault="D4",
            title="duplicates",
            sentence=f"{plural(again, 'image repeats', 'images repeat')} another of the same class and split",
            repair="remove them, unless they are meant to count twice",
        )


def groups_apart(facts: Facts) -> Iterator[DataIssue]:
    """Report groups of images, such as those of one patient, that declared splits have on more than one side."""
    if facts.related is None:
        return
    used = facts.used()
    order = used[np.lexsort((used, facts.splits[used], facts.related[used]))]
    ends = np.flatnonzero(np.diff(facts.related[order], prepend=-1, append=-1))
    groups = [order[start:stop] for start, stop in pairwise(ends)]
    apart = [group for group in groups if len(set(facts.splits[group])) > 1]
    if apart:
        yield DataIssue(
            id="S2",
            title="groups on two sides of a split",
            sentence=f"There are images of {plural(len(apart), 'group')} (data.group) in more than one split, so that "
            "scores on them flatter.",
            stops=False,
            evidence={"groups": len(apart), "images": sum(len(group) for group in apart)},
            groups=tuple(_one_a_split(facts, group) for group in apart),
            repair="declare the splits by group, or let cnnexp make them",
        )


def _one_a_split(facts: Facts, group: Rows) -> tuple[DataImage, ...]:
    """Name the first image of a group in each split; rows come sorted by split."""
    _, firsts, counts = np.unique(facts.splits[group], return_index=True, return_counts=True)
    return tuple(
        facts.image(int(group[first]), f"of {plural(int(count), 'image')} of this group")
        for first, count in zip(firsts, counts, strict=True)
    )


def _issue(facts: Facts, groups: list[Rows], *, fault: str, title: str, sentence: str, repair: str) -> DataIssue:
    exact = sum(len(group) - len(set(facts.copies[group])) for group in groups)
    near = sum(len(set(facts.copies[group])) - 1 for group in groups)
    kinds = [text for number, text in ((exact, f"{exact:,} exact"), (near, f"{near:,} near")) if number]
    return DataIssue(
        id=fault,
        title=title,
        sentence=f"{sentence} ({' and '.join(kinds)}).",
        stops=False,
        evidence={"groups": len(groups), "exact": exact, "near": near},
        groups=tuple(_named(facts, group) for group in groups),
        repair=repair,
    )


def _groups(facts: Facts) -> list[Rows]:
    """Collect rows that are in a split and equal, or nearly equal, directly or by way of others; by their first row."""
    used = facts.used()
    first = facts.copies[used]
    root = _connected(facts.measures.twins, first)
    keys = np.array([root.get(row, row) for row in first.tolist()], np.int64)
    order = np.argsort(keys, kind="stable")
    ends = np.flatnonzero(np.diff(keys[order], prepend=-1, append=-1))
    return [used[order[start:stop]] for start, stop in pairwise(ends) if stop - start > 1]


def _connected(twins: Rows, present: Rows) -> dict[int, int]:
    """Map the rows of pairs, both of which are present, to the lowest row they are connected with."""
    root: dict[int, int] = {}

    def find(row: int) -> int:
        while root.setdefault(row, row) != row:
            row = root[row]
        return row

    for one, other in twins[np.isin(twins, present).all(axis=1)].tolist():
        low, high = sorted((find(one), find(other)))
        root[high] = low
    return {row: find(row) for row in root}


def _named(facts: Facts, group: Rows) -> tuple[DataImage, ...]:
    """Name the images of a group, training images first, each with its likeness to the one most like it."""
    ordered = group[np.argsort(facts.splits[group], kind="stable")]
    firsts, counts = np.unique(facts.copies[group], return_counts=True)
    alike = dict.fromkeys(firsts[counts > 1].tolist(), "identical")
    twins, likeness = facts.measures.twins, facts.measures.likeness
    inside = np.flatnonzero(np.isin(twins, firsts).all(axis=1))
    for place in inside[np.argsort(-likeness[inside])].tolist():
        for row in twins[place].tolist():
            alike.setdefault(row, f"correlation {likeness[place]:.3f}")
    return tuple(facts.image(row, alike[facts.copies[row]]) for row in ordered.tolist())
