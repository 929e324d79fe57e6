"""Tests and intervals for paired values.

All take differences or discordant counts, so that nothing here knows what was compared.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

CONFIDENCE = 0.95
_EQUAL = 1e-7  # logarithms of numbers of ways that differ by less are of the same number


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its 95 % interval; None where one value gives no interval."""

    mean: float
    low: float | None
    high: float | None
    n: int

    @property
    def half_width(self) -> float | None:
        """Half the interval, the number after ±."""
        return None if self.low is None or self.high is None else (self.high - self.low) / 2


@dataclass(frozen=True, slots=True)
class PairedTest:
    """A paired difference with its interval and two-sided p-value; p is None below two pairs."""

    estimate: Estimate
    p: float | None


def t_interval(values: ArrayLike, *, level: float = 1 - CONFIDENCE) -> Estimate:
    """Mean of ``values`` (n,) with Student's interval at ``level``, 95 % by default."""
    sample = np.asarray(values, dtype=np.float64)
    mean, n = float(sample.mean()), sample.size
    if n < 2:
        return Estimate(mean, None, None, n)
    half = float(special.stdtrit(n - 1, 1 - level / 2) * sample.std(ddof=1) / np.sqrt(n))
    return Estimate(mean, mean - half, mean + half, n)


def mean_interval(values: ArrayLike, *, low: float | None, high: float | None) -> Estimate:
    """Mean of ``values`` (n,) with a 95 % interval that stays within what they can be, `low` to `high`.

    Student's interval on the logit scale between two bounds, on the log scale above a bound of 0, carried back (delta
    method). It covers the mean of scores near a bound, which are skewed, more often than Student's own, and that of
    others equally often (benchmarks/interval_simulation.py). Values that are all at a bound have no width.
    """
    plain = t_interval(values)
    mean, half = plain.mean, plain.half_width
    if half is None or low is None:
        return plain
    if half == 0 or mean <= low or (high is not None and mean >= high):
        return Estimate(mean, mean, mean, plain.n)
    if high is None:
        factor = float(np.exp(half / (mean - low)))
        return Estimate(mean, low + (mean - low) / factor, low + (mean - low) * factor, plain.n)
    width = high - low
    share = (mean - low) / width
    center, step = float(special.logit(share)), half / width / (share * (1 - share))
    lower, upper = (low + width * float(special.expit(center + sign * step)) for sign in (-1, 1))
    return Estimate(mean, lower, upper, plain.n)


def clipped(estimate: Estimate, low: float | None, high: float | None) -> Estimate:
    """The estimate with an interval that ends where no difference can be, below `low` and above `high`."""
    if estimate.low is None or estimate.high is None or low is None or high is None:
        return estimate
    return Estimate(estimate.mean, max(low, estimate.low), min(high, estimate.high), estimate.n)


def fisher_exact(hits: int, tries: int, other_hits: int, other_tries: int) -> float:
    """Two-sided p of Fisher's exact test that two shares of counts are the same."""
    all_hits = hits + other_hits
    k = np.arange(max(0, all_hits - other_tries), min(tries, all_hits) + 1)
    log_ways = _log_choose(tries, k) + _log_choose(other_tries, all_hits - k)
    ways = np.exp(log_ways - log_ways.max())
    as_rare = log_ways <= log_ways[hits - k[0]] + _EQUAL
    return float(ways[as_rare].sum() / ways.sum())


def paired_t(differences: ArrayLike) -> PairedTest:
    """Student's paired t-test of ``differences`` (n,) against zero.

    Scores on a few hundred images are so coarse that all pairs can differ by the same amount. Student's p would then
    be 0; the exact sign test's, 2 / 2**n, is the smallest that so few pairs can show.
    """
    sample = np.asarray(differences, dtype=np.float64)
    estimate = t_interval(sample)
    if sample.size < 2:
        return PairedTest(estimate, None)
    return PairedTest(estimate, float(t_p_values(sample[np.newaxis])[0]))


def resampled_t(differences: ArrayLike, *, ratio: float) -> PairedTest:
    """Student's test of differences (n,) between models of which any two were trained on mostly the same images.

    Folds share training data, so their differences vary less than those of independent trainings would: the variance
    of the mean is (1/n + `ratio`) times that of the differences, `ratio` being judged images by training images (Nadeau
    & Bengio 2003, Machine Learning 52:239). No estimator of that variance is without bias (Bengio & Grandvalet 2004,
    JMLR 5:1089); this one errs on the careful side.
    """
    sample = np.asarray(differences, dtype=np.float64)
    mean, n = float(sample.mean()), sample.size
    if n < 2:
        return PairedTest(Estimate(mean, None, None, n), None)
    error = float(sample.std(ddof=1) * np.sqrt(1 / n + ratio))
    half = float(special.stdtrit(n - 1, 0.5 + CONFIDENCE / 2)) * error
    if error <= 1e-12 * max(abs(mean), 1e-12):
        return PairedTest(Estimate(mean, mean, mean, n), 1.0 if mean == 0 else 2.0 ** (1 - n))
    return PairedTest(Estimate(mean, mean - half, mean + half, n), float(2 * special.stdtr(n - 1, -abs(mean) / error)))


def t_p_values(differences: NDArray[np.float64]) -> NDArray[np.float64]:
    """Two-sided p-values (m,) of m paired t-tests; ``differences`` (m, n) may hold NaN for a missing pair, n >= 2."""
    n = np.isfinite(differences).sum(axis=1)
    mean = np.nanmean(differences, axis=1)
    error = np.nanstd(differences, axis=1, ddof=1) / np.sqrt(n)
    constant = error <= 1e-12 * np.maximum(np.abs(mean), 1e-12)
    t = np.divide(mean, error, out=np.zeros_like(mean), where=~constant)
    p = 2 * special.stdtr(n - 1, -np.abs(t))
    same = np.where(mean == 0, 1.0, 2.0 ** (1 - n))
    return np.asarray(np.where(constant, same, p))


def mcnemar_mid_p(b: int, c: int) -> float:
    """Two-sided mid-p McNemar test: ``b`` images only the first model has right, ``c`` only the second.

    Keeps its level where the exact test is too timid, see Fagerland, Lydersen & Laake 2013, BMC Medical Research
    Methodology 13:91.
    """
    n, k = b + c, min(b, c)
    if n == 0:
        return 1.0
    if b == c:  # the two tails overlap in P(k)
        return 1.0 - 0.5 * _binomial_half(k, n)
    return float(2 * special.bdtr(k, n, 0.5) - _binomial_half(k, n))


def accuracy_difference(b: int, c: int, n: int) -> Estimate:
    """Accuracy of the first model minus the second's on ``n`` shared images, with Bonett & Price's 95 % interval.

    The estimate is the plain (b - c) / n; the interval adds one to each discordant count, which keeps its coverage
    for small samples (Bonett & Price 2012, Statistical Methods in Medical Research 21:479).
    """
    first, second = (b + 1) / (n + 2), (c + 1) / (n + 2)
    half = special.ndtri(0.5 + CONFIDENCE / 2) * np.sqrt((first + second - (first - second) ** 2) / (n + 2))
    center = first - second
    return Estimate((b - c) / n, float(max(-1.0, center - half)), float(min(1.0, center + half)), n)


def in_points(difference: Estimate) -> str:
    """Return a difference of accuracies, which has an interval, as in "accuracy -1.2 points (95 % interval ...)"."""
    assert difference.low is not None
    assert difference.high is not None
    interval = f"95 % interval {100 * difference.low:+.1f} to {100 * difference.high:+.1f}"
    if difference.low <= 0 <= difference.high:
        interval += ", no difference shown"
    return f"accuracy {100 * difference.mean:+.1f} points ({interval})"


def _binomial_half(k: int, n: int) -> float:
    """P(X = k) for n fair coins."""
    return float(np.exp(_log_choose(n, k) - n * np.log(2)))


def _log_choose(n: int, k: ArrayLike) -> NDArray[np.float64]:
    """Logarithm of n over k."""
    below = np.asarray(k)
    logarithm: NDArray[np.float64] = (
        special.gammaln(n + 1) - special.gammaln(below + 1) - special.gammaln(n - below + 1)
    )
    return logarithm


def holm(p_values: ArrayLike) -> NDArray[np.float64]:
    """P-values (m,) adjusted for m comparisons after Holm 1979, in the order given."""
    p = np.asarray(p_values, dtype=np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(np.minimum(1.0, p[order] * (p.size - np.arange(p.size))))
    adjusted = np.empty_like(p)
    adjusted[order] = stepped
    return adjusted
