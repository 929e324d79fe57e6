"""Is this *setting* better? Paired over seeds, because the seed is what changes when a run is repeated."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cnnexp.comparison.metric import Metric
from cnnexp.comparison.paired import Estimate, clipped, holm, paired_t, t_p_values
from cnnexp.comparison.result import SEEDS_FOR_A_VERDICT, Difference


@dataclass(frozen=True, slots=True)
class SeedScores:
    """Scores of M configurations under S seeds; NaN where a configuration has no run with a seed."""

    values: NDArray[np.float64]  # (M, S) of all runs that finished
    learned: NDArray[np.float64]  # (M, S) of those that learned

    @classmethod
    def of(
        cls, by_seed: Sequence[Mapping[str, float]], learned: Sequence[Mapping[str, float]] | None = None
    ) -> "SeedScores":
        """Line up mappings from seed to score, one for each configuration; without `learned`, all runs learned."""
        seeds = sorted({seed for scores in by_seed for seed in scores})
        column = {seed: index for index, seed in enumerate(seeds)}
        values = _lined_up(by_seed, column)
        return cls(values, values if learned is None else _lined_up(learned, column))

    def differences(self, row: int, reference: int) -> "BothWays":
        """Row minus reference under each seed that both have."""
        both = (scores[row] - scores[reference] for scores in (self.values, self.learned))
        return BothWays(*(np.asarray(each[np.isfinite(each)]) for each in both))


def _lined_up(by_seed: Sequence[Mapping[str, float]], column: Mapping[str, int]) -> NDArray[np.float64]:
    values = np.full((len(by_seed), len(column)), np.nan)
    for row, scores in enumerate(by_seed):
        for seed, score in scores.items():
            values[row, column[seed]] = score
    return values


@dataclass(frozen=True, slots=True)
class BothWays:
    """Paired differences counted in two ways."""

    of_all: NDArray[np.float64]  # (n,) between all runs that finished
    learned: NDArray[np.float64]  # (m,) between those that learned

    @property
    def are_equal(self) -> bool:
        """Whether the two ways are one, because all runs learned."""
        return np.array_equal(self.of_all, self.learned)

    @property
    def is_over_learned(self) -> bool:
        """Whether a verdict is about the runs that learned: they are enough for one, or not even all runs are."""
        if self.are_equal or not self.learned.size:
            return False
        return self.learned.size >= SEEDS_FOR_A_VERDICT or self.of_all.size < SEEDS_FOR_A_VERDICT


def adjusted_p_values(scores: SeedScores, *, ranked: bool) -> dict[tuple[int, int], float]:
    """Holm-adjusted paired t-tests of pairs of configurations (i < j) with at least five seeds in common.

    A pair is tested over the seeds under which both learned if these are five, else over all that finished. Where
    validation results `ranked` the reference first, all pairs count, although only those with the reference are
    shown: a run that is lucky on validation is lucky on test as well. In 1,000 sweeps of twelve equal settings, tests
    at 4 % found a difference in 5.3 % when corrected for the shown comparisons alone, in 1.2 % when corrected for all
    pairs (benchmarks/statistics_simulation.py). A reference that no result chose is compared with each other one.
    """
    enough = np.flatnonzero(np.isfinite(scores.values).sum(axis=1) >= SEEDS_FOR_A_VERDICT)
    i, j = (enough[index] for index in np.triu_indices(len(enough), 1))
    if not ranked:
        i, j = i[i == 0], j[i == 0]
    differences, learned = (each[i] - each[j] for each in (scores.values, scores.learned))
    over_learned = np.isfinite(learned).sum(axis=1) >= SEEDS_FOR_A_VERDICT
    differences = np.where(over_learned[:, None], learned, differences)
    testable = np.isfinite(differences).sum(axis=1) >= SEEDS_FOR_A_VERDICT
    if not testable.any():
        return {}
    adjusted = holm(t_p_values(differences[testable]))
    return {(int(a), int(b)): float(p) for a, b, p in zip(i[testable], j[testable], adjusted, strict=True)}


def compare_over_seeds(
    scores: SeedScores, metric: Metric, adjusted: Mapping[tuple[int, int], float]
) -> tuple[tuple[Difference | None, Difference | None], ...]:
    """Each configuration against the first, as `paired_differences` returns it; the first itself has none."""
    others = range(1, len(scores.values))
    found = [paired_differences(scores.differences(row, 0), metric, adjusted.get((0, row))) for row in others]
    return ((None, None), *found)


def paired_differences(
    differences: BothWays, metric: Metric, p_adjusted: float | None
) -> tuple[Difference | None, Difference | None]:
    """The difference that a verdict is about, and the one over all runs that finished where that is another one.

    A claim about the runs that learned is none where all runs together point the other way: those that learned nothing
    are part of what a setting does.
    """
    of_all = _paired_difference(differences.of_all, metric, p_adjusted)
    if not differences.is_over_learned or of_all is None:
        return of_all, None
    learned = _paired_difference(differences.learned, metric, p_adjusted)
    assert learned is not None
    opposite = learned.gain.mean * of_all.gain.mean < 0
    return replace(learned, basis="learned", contradicted=opposite), replace(of_all, p_adjusted=None)


def _paired_difference(differences: NDArray[np.float64], metric: Metric, p_adjusted: float | None) -> Difference | None:
    """The paired test of ``differences`` (n,), as a gain: positive is better; None for n = 0."""
    if differences.size == 0:
        return None
    test = paired_t(metric.sign * differences)
    widest = None if metric.low is None or metric.high is None else metric.high - metric.low
    gain = clipped(test.estimate, None if widest is None else -widest, widest)
    return Difference(gain=gain, p=test.p, p_adjusted=p_adjusted)


def as_gain(estimate: Estimate, metric: Metric) -> Estimate:
    """The estimate of a raw difference as a gain: positive is better."""
    if metric.sign > 0 or estimate.low is None or estimate.high is None:
        return Estimate(metric.sign * estimate.mean, estimate.low, estimate.high, estimate.n)
    return Estimate(-estimate.mean, -estimate.high, -estimate.low, estimate.n)
