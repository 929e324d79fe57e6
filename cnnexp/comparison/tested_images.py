"""Which runs were tested on the same images: on the same pixels with the same labels."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from cnnexp.comparison.data_sets import data_set_of, first_predictions
from cnnexp.records import RecordedPredictions, RunSummary


@dataclass(frozen=True, slots=True)
class TestedImages:
    """The images that each run was tested on."""

    keys: Mapping[str, str]  # run id -> equal for the same images
    by_name: tuple[RunSummary, ...]  # whose images are taken for those of others by file name and label alone

    def groups(self, runs: Sequence[RunSummary]) -> tuple[tuple[RunSummary, ...], ...]:
        """The runs by their test images, largest group first."""
        groups: dict[str, list[RunSummary]] = {}
        for run in runs:
            groups.setdefault(self.keys[run.run_id], []).append(run)
        return tuple(tuple(group) for group in sorted(groups.values(), key=len, reverse=True))


@dataclass(frozen=True, slots=True)
class _Recorded:
    """What is recorded of the test images of the runs with one data digest and split."""

    run: RunSummary
    pixels: str | None  # equal for the same pixels with the same labels, read by the same rule; None: not recorded
    reading: str | None  # that rule
    names: str  # equal for the same file names with the same labels

    def is_tested_like(self, other: "_Recorded") -> bool:
        """By the pixels, where both are read by the same rule; else by the names."""
        if self.reading is not None and self.reading == other.reading:
            return self.pixels == other.pixels
        return self.names == other.names


def have_comparable_pixels(one: RecordedPredictions, other: RecordedPredictions) -> bool:
    """Whether equal images have equal digests in both: recorded, and of pixels read by the same rule."""
    return one.reading is not None and one.reading == other.reading


def identify_test_images(runs: Sequence[RunSummary]) -> TestedImages:
    """Find out which runs were tested on the same images.

    Runs with the same data digest and split are read once. Another digest may still mean the same test images (a
    smaller training set, another input size), so what one run of each digest recorded decides.
    """
    split = {run.run_id: _split_key(run) for run in runs}
    first = {key: run for run in reversed(runs) for key in [split[run.run_id]]}
    if len(first) == 1:
        return TestedImages(dict.fromkeys(split, "all"), ())
    read = first_predictions(runs, split)
    recorded = {key: _recorded(run, read(run)) for key, run in first.items()}
    clusters = _clusters(list(recorded.values()))
    keys = {run_id: clusters[recorded[key].run.run_id].run.run_id for run_id, key in split.items()}
    return TestedImages(keys, tuple(_known_by_name(recorded.values(), clusters)))


def _split_key(run: RunSummary) -> tuple[str | None, ...]:
    split = ("data", "data.split_seed", "data.test")
    # An evaluation leaves out images of classes that its model does not know.
    model = next((value for name, value in run.tags.items() if name.endswith(".evaluates")), None)
    return (run.data_digest, data_set_of(run), model, *(run.settings.get(name) for name in split))


def _recorded(run: RunSummary, predictions: RecordedPredictions | None) -> _Recorded:
    if predictions is None:
        return _Recorded(run, None, None, "/".join(map(str, _split_key(run))))
    labels = [predictions.class_names[label] for label in predictions.labels.tolist()]
    data = run.settings.get("data", "")  # every built-in data set has an index-0
    names = _hashed((data, *predictions.class_names, *predictions.files, *labels))
    if predictions.digests is None:
        return _Recorded(run, None, None, names)
    pixels = sorted(zip(predictions.digests, labels, strict=True))
    return _Recorded(run, _hashed((*predictions.class_names, *map(str, pixels))), predictions.reading, names)


def _hashed(parts: Sequence[str]) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogateescape")).hexdigest()


def _clusters(recorded: Sequence[_Recorded]) -> dict[str, _Recorded]:
    """Map the run of each to the first one with the same test images; one of the same data set, if there are several.

    Those with pixels come first, so that names never connect what pixels tell apart.
    """
    found: dict[str, _Recorded] = {}
    firsts: list[_Recorded] = []
    for one in sorted(recorded, key=lambda one: one.pixels is None):
        alike = [first for first in firsts if first.is_tested_like(one)]
        own = [first for first in alike if data_set_of(first.run) == data_set_of(one.run)]
        if not alike:
            firsts.append(one)
        found[one.run.run_id] = (own or alike or [one])[0]
    return found


def _known_by_name(recorded: Iterable[_Recorded], clusters: Mapping[str, _Recorded]) -> Iterator[RunSummary]:
    """Yield the runs that names connect with runs over other data: there, the same names are no proof."""
    for one in recorded:
        first = clusters[one.run.run_id]
        if data_set_of(one.run) != data_set_of(first.run) and not (one.pixels and one.reading == first.reading):
            yield one.run
