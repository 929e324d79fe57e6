"""How often does a 95 % interval of a mean over few seeds hold the true mean? Bounded and skewed scores included.

    python benchmarks/interval_simulation.py [--trials 20000]

Scores of 3, 5 and 10 seeds are drawn from distributions whose mean is known, and intervals of their mean are made in
the ways that were considered for `cnnexp.comparison`:

- student: Student's, cut off at the range of the metric;
- arcsine: Student's on the scale of the arcsine of the square root (shares alone);
- scaled: Student's on the logit scale (shares) or the log scale (losses), which `mean_interval` makes.

The last rows are runs of which some learned nothing: no interval of so few seeds can be right about their mean, so a
comparison counts them and gives the score of those that learned beside it. Printed is a table in Markdown: the share of
intervals that hold the mean, and in brackets their median width.
"""

import argparse
from collections.abc import Callable

import numpy as np

from cnnexp.comparison.paired import Estimate, clipped, mean_interval, t_interval

SEEDS = (3, 5, 10)
Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]


def beta(mean: float, sd: float) -> Draw:
    """Scores in 0..1 with this mean and standard deviation."""
    size = mean * (1 - mean) / sd**2 - 1
    return lambda rng, shape: rng.beta(mean * size, (1 - mean) * size, shape)


def counts(images: int, mean: float, sd: float) -> Draw:
    """Shares of so few images that several seeds get the same."""
    draw = beta(mean, sd)
    return lambda rng, shape: rng.binomial(images, draw(rng, shape)) / images


def errors(median: float, spread: float) -> Draw:
    """1 minus a lognormal error: a long tail of seeds that did worse."""
    return lambda rng, shape: 1 - np.minimum(1, median * np.exp(rng.normal(0, spread, shape)))


def some_collapse(share: float) -> Draw:
    """Scores of which a share is that of guessing."""
    draw = beta(0.95, 0.01)
    return lambda rng, shape: np.where(rng.random(shape) < share, 0.1, draw(rng, shape))


def lognormal(median: float, spread: float) -> Draw:
    """Losses: positive, with a long tail."""
    return lambda rng, shape: median * np.exp(rng.normal(0, spread, shape))


SHARES: dict[str, Draw] = {
    "accuracy 0.90 ± 0.012, normal": lambda rng, shape: np.clip(rng.normal(0.9, 0.012, shape), 0, 1),
    "accuracy 0.97 ± 0.02": beta(0.97, 0.02),
    "accuracy 0.99 ± 0.008": beta(0.99, 0.008),
    "accuracy 0.80 ± 0.1": beta(0.8, 0.1),
    "accuracy 0.98 of 60 images": counts(60, 0.98, 0.01),
    "accuracy about 0.96, long tail of failures": errors(0.03, 0.8),
    "accuracy, one run in five collapses": some_collapse(0.2),
}
LOSSES: dict[str, Draw] = {
    "loss 0.3, normal": lambda rng, shape: rng.normal(0.3, 0.03, shape),
    "loss, lognormal 0.5": lognormal(0.3, 0.5),
    "loss, lognormal 1": lognormal(0.3, 1.0),
}


def student(scores: np.ndarray, high: float | None) -> Estimate:
    """Student's interval, cut off at the range."""
    return clipped(t_interval(scores), 0.0, np.inf if high is None else high)


def arcsine(scores: np.ndarray, high: float | None) -> Estimate:
    """Student's interval on the arcsine scale."""
    plain = t_interval(scores)
    half = plain.half_width or 0.0
    if high is None or half == 0 or not 0 < plain.mean < 1:
        return plain
    center, step = np.arcsin(np.sqrt(plain.mean)), half / (2 * np.sqrt(plain.mean * (1 - plain.mean)))
    low, up = (float(np.sin(np.clip(center + sign * step, 0, np.pi / 2)) ** 2) for sign in (-1, 1))
    return Estimate(plain.mean, low, up, plain.n)


def scaled(scores: np.ndarray, high: float | None) -> Estimate:
    """The interval of comparisons."""
    return mean_interval(scores, low=0.0, high=high)


WAYS = {"student": student, "arcsine": arcsine, "scaled": scaled}


def coverage(draw: Draw, high: float | None, seeds: int, trials: int) -> dict[str, str]:
    """Return for each way the share of intervals that hold the true mean, and their median width."""
    rng = np.random.default_rng(seeds)
    truth = float(draw(np.random.default_rng(0), (1, 4_000_000)).mean())
    samples = draw(rng, (trials, seeds))
    found = {}
    for name, way in WAYS.items():
        made = [way(scores, high) for scores in samples]
        held = np.mean([one.low <= truth <= one.high for one in made])
        width = np.median([one.high - one.low for one in made])
        found[name] = f"{100 * held:.1f} % ({width:.3f})"
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20_000)
    trials = parser.parse_args().trials
    print(f"| scores | seeds | {' | '.join(WAYS)} |")
    print("|---|--:|" + "--:|" * len(WAYS))
    for family, high in ((SHARES, 1.0), (LOSSES, None)):
        for name, draw in family.items():
            for seeds in SEEDS:
                found = coverage(draw, high, seeds, trials)
                cells = (found[way] if high is not None or way != "arcsine" else "" for way in WAYS)
                print(f"| {name} | {seeds} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
