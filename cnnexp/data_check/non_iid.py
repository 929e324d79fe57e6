"""Splits that differ from the training split, in properties of their images or in the shares of their classes."""

from collections.abc import Iterator, Mapping

import numpy as np

from cnnexp.data_check.checked_dataset import CheckedDataset, Rows
from cnnexp.data_check.image_properties import PROPERTIES, Values
from cnnexp.data_check.placeholders import placeholder_rows
from cnnexp.records import SPLIT_NAMES, DataIssue

FEWEST = 20  # images of a split that is compared
CHANCE = 0.001  # that a difference is reported between splits drawn alike, over all properties and splits
RARER = 1 / 4  # of its share in another split, that a class of train has; less is no matter of weights
RARE = "share of a class in train"  # evidence of that
LEAST = 0.1  # Kolmogorov-Smirnov distance, 0..1: a smaller one may be significant in large splits, but does not matter


def non_iid(dataset: CheckedDataset) -> Iterator[DataIssue]:
    """Compare every split with the training split, without images that show nothing of what they are labelled as."""
    nothing = placeholder_rows(dataset)
    rows = {
        name: np.setdiff1d(np.flatnonzero(dataset.splits == number), nothing) for number, name in enumerate(SPLIT_NAMES)
    }
    others = [name for name in SPLIT_NAMES[1:] if min(len(rows[name]), len(rows["train"])) >= FEWEST]
    chance = CHANCE / max(len(others) * (len(PROPERTIES) + 2), 1)  # and colour modes and class shares
    for name in others:
        yield from _compare_properties(dataset, rows, name, chance)
        yield from _compare_class_shares(dataset, rows, name, chance)


def _compare_properties(
    dataset: CheckedDataset, rows: Mapping[str, Rows], name: str, chance: float
) -> Iterator[DataIssue]:
    differences: list[tuple[str, float, str]] = []
    for one in PROPERTIES:
        values = one.values(dataset.properties)
        train, here = (np.round(values[rows[split]] / one.step) for split in ("train", name))
        distance = _distance(train, here)
        if distance >= LEAST and kolmogorov(distance, len(train), len(here)) < chance:
            usual = [one.shown(dataset.properties, _middle(values, rows[split])) for split in (name, "train")]
            differences.append((one.name, distance, f"in the middle {usual[0]} against {usual[1]}"))
    differences += _compare_color_modes(dataset, rows, name, chance)
    if differences:
        names = " and ".join(name for name, _, _ in differences)
        yield DataIssue(
            id="S4",
            title=f"{name} differs from train",
            sentence=f"The {name} split differs from the training split in {names}: "
            f"{'; '.join(usual for _, _, usual in differences)}.",
            stops=False,
            evidence={f"distance in {name}": distance for name, distance, _ in differences},
            groups=(),
            repair="take the splits from one source, or let cnnexp make them",
        )


def _compare_color_modes(
    dataset: CheckedDataset, rows: Mapping[str, Rows], name: str, chance: float
) -> Iterator[tuple[str, float, str]]:
    """Compare the shares of the colour modes."""
    found = [dataset.properties.color_modes(rows[split]) for split in (name, "train")]
    known = np.unique(np.concatenate(found))
    if len(known) < 2:
        return
    counts = np.stack([[(own == mode).sum() for mode in known] for own in found])
    distance = _total_variation(counts)
    if distance >= LEAST and _p_value_of_shares(counts) < chance:
        usual = [f"{own.max() / own.sum():.0%} {known[own.argmax()]}" for own in counts]
        yield "colour mode", distance, f"{usual[0]} against {usual[1]}"


def _compare_class_shares(
    dataset: CheckedDataset, rows: Mapping[str, Rows], name: str, chance: float
) -> Iterator[DataIssue]:
    """Compare the shares of the classes that both splits have."""
    counts = np.stack([dataset.counts(split) for split in ("train", name)])
    counts = counts[:, (counts > 0).all(axis=0)]
    if counts.shape[1] < 2:
        return
    distance, rare = _total_variation(counts), _rare_in_train(counts, chance)
    if rare is not None:
        label = np.flatnonzero((np.stack([dataset.counts(split) for split in ("train", name)]) > 0).all(axis=0))[rare]
        ours, here = counts[:, rare] / counts.sum(axis=1)
        yield DataIssue(
            id="S3",
            title=f"class shares of {name} differ",
            sentence=f"{ours:.1%} of the training images are of {dataset.class_names[label]}, and {here:.1%} of the "
            f"{name} images.",
            stops=False,
            evidence={"share": distance, RARE: float(ours), "share here": float(here)},
            groups=(),
            repair="stratify: let cnnexp make the split",
        )
    elif distance >= LEAST and _p_value_of_shares(counts) < chance:
        yield DataIssue(
            id="S3",
            title=f"class shares of {name} differ",
            sentence=f"The class shares of the {name} split differ from those of the training split: {distance:.0%} of "
            "its images would have to change class.",
            stops=False,
            evidence={"share": distance},
            groups=(),
            repair="stratify: let cnnexp make the split",
        )


def _rare_in_train(counts: np.ndarray, chance: float) -> int | None:
    """Return the class that is far rarer in train, the first row of (2, K), than in another split; None: none is."""
    shares = counts / counts.sum(axis=1, keepdims=True)
    rarest = int((shares[1] / np.maximum(shares[0], 1e-9)).argmax())
    rest = counts.sum(axis=1) - counts[:, rarest]
    pair = np.stack([counts[:, rarest], rest], axis=1)
    few = shares[0, rarest] < RARER * shares[1, rarest]
    return rarest if few and _p_value_of_shares(pair) < chance / len(shares[0]) else None


def _total_variation(counts: np.ndarray) -> float:
    """Return the total variation distance of two rows: the share of one that must change column to equal the other."""
    shares = counts / counts.sum(axis=1, keepdims=True)
    return float(0.5 * np.abs(shares[0] - shares[1]).sum())


def _p_value_of_shares(counts: np.ndarray) -> float:
    """Return the p-value of Pearson's chi-squared test of homogeneity (approximation of Wilson & Hilferty 1931)."""
    expected = counts.sum(axis=1, keepdims=True) * counts.sum(axis=0) / counts.sum()
    statistic, freedom = float(((counts - expected) ** 2 / expected).sum()), counts.shape[1] - 1
    spread = 2 / (9 * freedom)
    z = ((statistic / freedom) ** (1 / 3) - 1 + spread) / spread**0.5
    return (
        float(np.exp(-0.717 * z - 0.416 * z * z)) if z > 0 else 1.0
    )  # upper tail of the normal distribution, within 10 %


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
