"""How important is a setting: the share of the variance between runs that it explains by itself, with an interval.

Where every level of a setting has runs under the same seeds and combinations of the others, seeds are the unit of
evidence: an analysis of variance with repeated measures, one value for each seed and level. Otherwise, as after a
search, runs are: an additive model of all settings, numbers of many levels in quarters. The interval inverts the
noncentral F distribution (Steiger 2004, Psychological Methods 9:164); the share is corrected for what chance explains.
"""

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import special

from cnnexp.comparison.design import Setting, seed_of, value_of
from cnnexp.comparison.metric import Metric
from cnnexp.comparison.paired import CONFIDENCE, holm
from cnnexp.comparison.result import Importance, Share
from cnnexp.records import RunSummary

_MOST_LEVELS = 12  # more, as a search draws them, become quarters of the runs
_QUARTERS = 4
_MOST_NONCENTRAL = 1e7
_TINY = 1e-12
Unit = Literal["seeds", "runs"]


def importance(
    runs: Sequence[RunSummary], *, settings: Sequence[Setting], metric: Metric, learned: Container[str]
) -> tuple[Importance, ...]:
    """Return how important each of the varying `settings` is for `metric`, the largest share first.

    Empty where no variance is left to tell chance by. `learned` are the ids of runs that did.
    """
    of_all = _shares(runs, settings, metric)
    those = [run for run in runs if run.run_id in learned]
    of_learned = {} if len(those) == len(runs) else _shares(those, settings, metric)
    found = [Importance(one, of_all[one.name], of_learned.get(one.name)) for one in settings if one.name in of_all]
    return tuple(sorted(found, key=lambda one: -one.share.value))


@dataclass(frozen=True, slots=True)
class _Variance:
    """The parts of an analysis of variance for one setting."""

    explained: float  # sum of squares of its levels
    levels: int  # degrees of freedom
    error: float  # mean square
    error_freedom: int
    values: int  # behind the sum of squares
    unit: Unit


def _shares(runs: Sequence[RunSummary], settings: Sequence[Setting], metric: Metric) -> dict[str, Share]:
    scores = np.array([run.metrics[metric.name] for run in runs])
    if len(scores) < 3 or scores.var() <= _TINY:
        return {}
    levels = [_levels(runs, setting) for setting in settings]
    found = {
        setting.name: parts
        for place, setting in enumerate(settings)
        if (parts := _over_seeds(runs, scores, levels, place) or _over_runs(scores, levels, place)) is not None
    }
    shares = {name: _share(parts, float(scores.var())) for name, parts in found.items()}
    adjusted = holm([share.p for share in shares.values()])
    return {name: replace(one, p_adjusted=float(p)) for (name, one), p in zip(shares.items(), adjusted, strict=True)}


def _levels(runs: Sequence[RunSummary], setting: Setting) -> NDArray[np.int64]:
    """Return the number of each run's level, (n,); of a number with many levels, that of its quarter."""
    texts = [value_of(run, setting.name) for run in runs]
    order = {level: place for place, level in enumerate(setting.levels)}
    places = np.array([order[text] for text in texts])
    if len(setting.levels) > _MOST_LEVELS and setting.is_numeric:
        places = places.argsort(kind="stable").argsort(kind="stable") * _QUARTERS // len(places)
    return np.unique(places, return_inverse=True)[1]


def _over_seeds(
    runs: Sequence[RunSummary], scores: NDArray[np.float64], levels: Sequence[NDArray[np.int64]], place: int
) -> _Variance | None:
    """Return the parts with seeds as the unit; None where no two seeds have all levels with the others equal."""
    own = levels[place]
    others = [tuple(row) for row in np.delete(np.stack(levels, axis=1), place, axis=1).tolist()]
    cells: dict[str, dict[tuple[int, ...], dict[int, list[float]]]] = {}
    for run, other, level, score in zip(runs, others, own.tolist(), scores.tolist(), strict=True):
        cells.setdefault(seed_of(run), {}).setdefault(other, {}).setdefault(level, []).append(score)
    count = int(own.max()) + 1
    complete = {
        seed: [[np.mean(by_level[k]) for k in range(count)] for by_level in blocks.values() if len(by_level) == count]
        for seed, blocks in cells.items()
    }
    table = np.array([np.mean(blocks, axis=0) for blocks in complete.values() if blocks])
    if count < 2 or len(table) < 2:
        return None
    seeds = len(table)
    means = table.mean(axis=0)
    rest = table - means - table.mean(axis=1, keepdims=True) + table.mean()
    explained = seeds * float(((means - table.mean()) ** 2).sum())
    freedom = (count - 1) * (seeds - 1)
    return _Variance(explained, count - 1, float((rest**2).sum()) / freedom, freedom, table.size, "seeds")


def _over_runs(scores: NDArray[np.float64], levels: Sequence[NDArray[np.int64]], place: int) -> _Variance | None:
    """Return the parts with runs as the unit, beside all other settings; None where too few runs are there."""
    full, without = _design(levels), _design([*levels[:place], *levels[place + 1 :]])
    residuals = [_residual(matrix, scores) for matrix in (full, without)]
    freedom = len(scores) - int(np.linalg.matrix_rank(full))
    own = int(np.linalg.matrix_rank(full)) - int(np.linalg.matrix_rank(without))
    if freedom < 1 or own < 1:
        return None
    return _Variance(residuals[1] - residuals[0], own, residuals[0] / freedom, freedom, len(scores), "runs")


def _design(levels: Sequence[NDArray[np.int64]]) -> NDArray[np.float64]:
    ones = [np.equal.outer(one, np.arange(1, one.max() + 1)) for one in levels]
    return np.concatenate([np.ones((len(levels[0]) if levels else 1, 1)), *ones], axis=1) if levels else np.ones((1, 1))


def _residual(matrix: NDArray[np.float64], scores: NDArray[np.float64]) -> float:
    if len(matrix) != len(scores):  # the mean alone
        return float(((scores - scores.mean()) ** 2).sum())
    fitted = matrix @ np.linalg.lstsq(matrix, scores, rcond=None)[0]
    return float(((scores - fitted) ** 2).sum())


def _share(parts: _Variance, variance: float) -> Share:
    """Return the share of the variance of all scores, with p not corrected yet."""
    if parts.error * parts.error_freedom <= _TINY * max(parts.explained, _TINY):  # no chance is left to be seen
        value = min(1.0, parts.explained / parts.values / variance)
        p = 1.0 if parts.explained <= _TINY else 2.0**-parts.error_freedom
        return Share(value, value if p < 1 else 0.0, value, p, p, parts.unit)
    ratio = parts.explained / parts.levels / parts.error
    scale = parts.error / parts.values / variance  # from noncentrality to share
    low, high = (_noncentrality(ratio, parts, p) * scale for p in (0.5 + CONFIDENCE / 2, 0.5 - CONFIDENCE / 2))
    value = max(0.0, (ratio - 1) * parts.levels * scale)
    p = float(special.fdtrc(parts.levels, parts.error_freedom, ratio))
    return Share(min(1.0, value), min(1.0, low), min(1.0, max(high, value)), p, p, parts.unit)


def _noncentrality(ratio: float, parts: _Variance, p: float) -> float:
    """Return the noncentrality under which a ratio up to `ratio` has the probability `p`; 0 where none is so small."""

    def below(noncentrality: float) -> float:
        return float(special.ncfdtr(parts.levels, parts.error_freedom, noncentrality, ratio))

    if special.fdtr(parts.levels, parts.error_freedom, ratio) <= p:
        return 0.0
    low, high = 0.0, 1.0
    while high < _MOST_NONCENTRAL and below(high) > p:
        low, high = high, 4 * high
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if below(middle) > p else (low, middle)
    return high
