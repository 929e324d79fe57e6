"""Which runs are over the same data: a data set is its content, wherever it lies and whatever it is called."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath

from cnnexp.config import names_affecting
from cnnexp.records import RecordedPredictions, RunSummary
from cnnexp.system.text import printable

PATH, DIGEST = "data.path", "data.digest"  # the settings by which data sets are told apart: the second in one place
_DIGITS = 8  # of a digest, in a table

Predictions = Callable[[RunSummary], RecordedPredictions | None]


def with_data_sets(runs: Sequence[RunSummary]) -> tuple[RunSummary, ...]:
    """Return the runs; those over several data sets with the setting that says over which each is.

    Digests prove that data are the same, or are not. Runs that split, thin or read their data in different ways have
    different digests in any case; they are over the same data if those come from the same place, unless two other runs
    prove that the data at that place has changed.
    """
    if len({run.data_digest for run in runs}) < 2:
        return tuple(runs)
    read = first_predictions(runs, {run.run_id: run.data_digest for run in runs})
    evidence = {run.run_id: _evidence(run, read(run)) for run in runs}
    data_sets = _data_sets(evidence)
    if len(set(data_sets.values())) < 2:
        return tuple(runs)
    name, levels = _levels([(evidence[run.run_id].source, data_sets[run.run_id]) for run in runs])
    return tuple(replace(run, settings={**run.settings, name: levels[data_sets[run.run_id]]}) for run in runs)


def data_set_of(run: RunSummary) -> str | None:
    """Return over which data set a run is, as `with_data_sets` tells them apart; None: all are over the same."""
    return run.settings.get(PATH) or run.settings.get(DIGEST)


def first_predictions(runs: Sequence[RunSummary], keys: Mapping[str, object]) -> Predictions:
    """Return what reads the predictions of a run, or of another one with its key: few files for many runs.

    Of the first and the last run with a key, one that version 0.1.0 did not record, which knew less of its data.
    """
    first = {keys[run.run_id]: run for run in reversed(runs)}
    last = {keys[run.run_id]: run for run in runs}

    def read(run: RunSummary) -> RecordedPredictions | None:
        found = first[keys[run.run_id]].read_predictions()
        return last[keys[run.run_id]].read_predictions() if found is None or found.reading is None else found

    return read


@dataclass(frozen=True, slots=True)
class _Evidence:
    """What is known of the data of a run."""

    source: str  # the place they came from
    digests: Mapping[str, str]  # of the data, by all else that each depends on; under one key, different of other data


def _evidence(run: RunSummary, predictions: RecordedPredictions | None) -> _Evidence:
    thinned = any(name in run.settings for name in names_affecting("subset"))
    settings = {name: value for name, value in run.settings.items() if name.partition(".")[0] == "data"}
    split = json.dumps({**settings, "seed": run.settings.get("seed", "") if thinned else ""}, sort_keys=True)
    digests = {split: run.data_digest or ""}
    if predictions is not None and predictions.reading is not None and predictions.content_digest is not None:
        digests[predictions.reading] = predictions.content_digest
    return _Evidence(run.data_source or "", digests)


def _data_sets(evidence: Mapping[str, _Evidence]) -> dict[str, str]:
    """Map each run to its data set: a digest that stands for all that are of the same data."""
    same = _Same()
    for one in evidence.values():
        for digest in one.digests.values():
            same.unite(digest, next(iter(one.digests.values())))
    changed = _changed_places(evidence.values(), same)
    for one in evidence.values():
        if one.source not in changed:
            same.unite(f"place {one.source}", next(iter(one.digests.values())))
    return {run_id: same.first(next(iter(one.digests.values()))) for run_id, one in evidence.items()}


class _Same:
    """What is known to be the same."""

    def __init__(self) -> None:
        self._same_as: dict[str, str] = {}

    def first(self, name: str) -> str:
        """Return the name that stands for all that are the same."""
        while name in self._same_as:
            name = self._same_as[name]
        return name

    def unite(self, one: str, other: str) -> None:
        """Note that two names are the same."""
        if (first := self.first(one)) != (same := self.first(other)):
            self._same_as[first] = same


def _changed_places(evidence: Iterable[_Evidence], same: _Same) -> set[str]:
    """Return the places where two runs found different data."""
    found: dict[tuple[str, str], set[str]] = {}
    for one in evidence:
        for rule, digest in one.digests.items():
            found.setdefault((one.source, rule), set()).add(same.first(digest))
    return {source for (source, _), digests in found.items() if len(digests) > 1}


def _levels(found: Sequence[tuple[str, str]]) -> tuple[str, dict[str, str]]:
    """Name the data sets of (place, data set), by their places if those differ; return the setting and its levels."""
    places: dict[str, str] = {}
    for source, data_set in found:
        places.setdefault(data_set, source)
    short = _tails(sorted(set(places.values())))
    if len(set(places.values())) == len(places):
        return PATH, {data_set: short[source] for data_set, source in places.items()}
    return DIGEST, {data_set: f"{short[source]} {data_set[:_DIGITS]}" for data_set, source in places.items()}


def _tails(paths: Sequence[str]) -> dict[str, str]:
    """Return the last parts of each path, as few as tell them apart."""
    parts = {path: PurePath(path).parts or (path,) for path in paths}
    most = max(len(own) for own in parts.values())
    for count in range(1, most + 1):
        short = {path: printable("/".join(own[-count:])) for path, own in parts.items()}
        if len(set(short.values())) == len(paths):
            return short
    return {path: printable(path) for path in paths}
