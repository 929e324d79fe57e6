"""Splits that differ from the training split: in a property of their images, or in how the classes share them."""

from collections.abc import Iterator, Mapping

import numpy as np

from cnnexp.data_check.facts import Facts, Rows
from cnnexp.data_check.properties import PROPERTIES, Values, modes
from cnnexp.records import SPLIT_NAMES, DataIssue

FEWEST = 20  # images of a split that say something about it
CHANCE = 0.001  # that splits drawn alike have a difference reported, over all properties and splits
LEAST = 0.1  # of the Kolmogorov-Smirnov distance, 0..1: a smaller one is real in large splits, and no matter


def differing_splits(facts: Facts) -> Iterator[DataIssue]:
    """Compare every split with the training split."""
    rows = {name: np.flatnonzero(facts.splits == number) for number, name in enumerate(SPLIT_NAMES)}
    others = [name for name in SPLIT_NAMES[1:] if min(len(rows[name]), len(rows["train"])) >= FEWEST]
    chance = CHANCE / max(len(others) * (len(PROPERTIES) + 2), 1)  # colour modes and class shares beside them
    for name in others:
        yield from _properties(facts, rows, name, chance)
        yield from _shares(facts, rows, name, chance)


def _properties(facts: Facts, rows: Mapping[str, Rows], name: str, chance: float) -> Iterator[DataIssue]:
    moved: list[tuple[str, float, str]] = []
    for one in PROPERTIES:
        values = one.of(facts.measures)
        train, here = (np.round(values[rows[split]] / one.step) for split in ("train", name))
        distance = _distance(train, here)
        if distance >= LEAST and kolmogorov(distance, len(train), len(here)) < chance:
            usual = [one.shown(facts.measures, _middle(values, rows[split])) for split in (name, "train")]
            moved.append((one.name, distance, f"in the middle {usual[0]} against {usual[1]}"))
    moved += _modes(facts, rows, name, chance)
    if moved:
        names = " and ".join(name for name, _, _ in moved)
        yield DataIssue(
            id="S4",
            title=f"{name} differs from train",
            sentence=f"The {name} split differs from the training split in {names}: "
            f"{'; '.join(usual for _, _, usual in moved)}.",
            stops=False,
            evidence={f"distance in {name}": distance for name, distance, _ in moved},
            groups=(),
            repair="take the splits from one source, or let cnnexp make them",
        )


def _modes(facts: Facts, rows: Mapping[str, Rows], name: str, chance: float) -> Iterator[tuple[str, float, str]]:
    """Compare how large a part of each split every colour mode is."""
    found = [modes(facts, rows[split]) for split in (name, "train")]
    known = np.unique(np.concatenate(found))
    if len(known) < 2:
        return
    counts = np.stack([[(own == mode).sum() for mode in known] for own in found])
    moved = _moved(counts)
    if moved >= LEAST and _chance_of_shares(counts) < chance:
        usual = [f"{own.max() / own.sum():.0%} {known[own.argmax()]}" for own in counts]
        yield "colour mode", moved, f"{usual[0]} against {usual[1]}"


def _shares(facts: Facts, rows: Mapping[str, Rows], name: str, chance: float) -> Iterator[DataIssue]:
    """Compare how large the classes are among those that both splits have, by their largest difference."""
    counts = np.stack([facts.counts(split) for split in ("train", name)])
    counts = counts[:, (counts > 0).all(axis=0)]
    if counts.shape[1] < 2:
        return
    moved = _moved(counts)
    if moved >= LEAST and _chance_of_shares(counts) < chance:
        yield DataIssue(
            id="S3",
            title=f"class shares of {name} differ",
            sentence=f"The classes share the {name} split otherwise than the training split: {moved:.0%} of its images "
            "would have to change class.",
            stops=False,
            evidence={"share": moved},
            groups=(),
            repair="stratify: let cnnexp make the split",
        )


def _moved(counts: np.ndarray) -> float:
    """Return the total variation of two rows: the share of one that would have to change column to be as the other."""
    shares = counts / counts.sum(axis=1, keepdims=True)
    return float(0.5 * np.abs(shares[0] - shares[1]).sum())


def _chance_of_shares(counts: np.ndarray) -> float:
    """Return the p-value of Pearson's test that both rows are drawn from the same shares (Wilson & Hilferty 1931)."""
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    statistic, freedom = float(((counts - expected) ** 2 / expected).sum()), counts.shape[1] - 1
    spread = 2 / (9 * freedom)
    z = ((statistic / freedom) ** (1 / 3) - 1 + spread) / spread**0.5
    return float(np.exp(-0.717 * z - 0.416 * z * z)) if z > 0 else 1.0  # of the normal's upper tail, within 10 %


def _distance(one: Values, other: Values) -> float:
    """Return the Kolmogorov-Smirnov distance: the largest difference of the two distribution functions."""
    points = np.unique(np.concatenate([one, other]))
    below = [np.searchsorted(np.sort(values), points, side="right") / len(values) for values in (one, other)]
    return float(np.abs(below[0] - below[1]).max())


def kolmogorov(distance: float, one: int, other: int) -> float:
    """Return the p-value of the distance between samples of two sizes, in its limit for large ones."""
    size = (one * other / (one + other)) ** 0.5
    scaled = (size + 0.12 + 0.11 / size) * distance  # Stephens 1970
    order = np.arange(1, 101)
    return float(np.clip(2 * ((-1.0) ** (order - 1) * np.exp(-2 * (order * scaled) ** 2)).sum(), 0, 1))


def _middle(values: Values, rows: Rows) -> int:
    return int(rows[np.argmin(np.abs(values[rows] - np.median(values[rows])))])
