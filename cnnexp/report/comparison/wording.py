"""The sentences of a comparison, the same in the terminal, the page and MLflow."""

import math
import re
from collections.abc import Sequence

from cnnexp.comparison.design import seed_of
from cnnexp.comparison.metric import Metric, metric
from cnnexp.comparison.paired import Estimate
from cnnexp.comparison.result import (
    LEVEL,
    SEEDS_FOR_A_VERDICT,
    Comparison,
    Difference,
    Effect,
    FoldDifference,
    ModelDifference,
    Row,
    Standing,
)
from cnnexp.comparison.slices import Slice, SliceDifference
from cnnexp.records import RunSummary
from cnnexp.system.text import listed, plural

MARKS = {
    Standing.REFERENCE: "★",
    Standing.WORSE: "▼",
    Standing.BETTER: "▲",
    Standing.ALIKE: "≈",
    Standing.UNTESTED: "·",
}
ACCURACY = metric("test/accuracy")  # what parts of the images are compared in
_NONE = 1e-9  # half an interval, within rounding
_LOPSIDED = 0.15  # of its half width, by which an interval may be off its middle and still be shown with ±
_NAMES_SHOWN = 5  # of runs left out, for each reason


def effect_sentence(effect: Effect, metric: Metric) -> str:
    """The effect of one level of a setting."""
    level, against = (effect.setting.text(one) for one in (effect.level, effect.against))
    level = f"{effect.setting.name}={level}"
    difference = effect.difference
    n = f"n = {difference.gain.n}"
    both = (
        "" if effect.all_runs is None else f", of runs that learned; of all: {gain_text(effect.all_runs.gain, metric)}"
    )
    plain = gain_text(difference.gain, metric)
    if difference.standing is Standing.UNTESTED:
        needed = f"a verdict needs {SEEDS_FOR_A_VERDICT} seeds"
        return f"{level} against {against}: {plain} {unit_text(metric)} ({n}; {needed}{both})"
    if difference.standing is Standing.ALIKE:
        why = "no verdict, all runs point the other way" if difference.more_than_chance else "no difference shown"
        return f"{level} against {against}: {why}, {plain} {unit_text(metric)} ({n}{both})"
    return f"{level} {_verb(difference, metric)} against {against} ({n}, {p_text(difference.p_adjusted)}{both})"


def _verb(difference: Difference, metric: Metric) -> str:
    gains, costs = ("gains", "costs") if metric.is_share else ("improves by", "worsens by")
    verb = gains if difference.standing is Standing.BETTER else costs
    half = difference.gain.half_width
    amount = amount_text(abs(difference.gain.mean), metric, half_width=half)
    spread = "" if half is None else f" ± {amount_text(half, metric, half_width=half)}"
    return f"{verb} {amount} {unit_text(metric)}{spread}"


def model_sentence(model: ModelDifference, comparison: Comparison) -> str:
    """One trained model against the reference model."""
    plain = f"{gain_text(model.difference.gain, comparison.metric)} {unit_text(comparison.metric)}"
    verdict = {Standing.BETTER: "better", Standing.WORSE: "worse"}.get(model.difference.standing, "no difference shown")
    name, reference = (model_label(comparison, run) for run in (model.run, comparison.reference.best_run))
    folds = "" if model.by_fold is None else f"; {fold_text(model.by_fold, comparison.metric)}"
    return f"{name} against {reference}: {verdict}, {plain} ({p_text(model.difference.p_adjusted)}){folds}"


def fold_text(by_fold: FoldDifference, metric: Metric) -> str:
    """Return how two runs of the same folds differ from fold to fold."""
    gain = f"{gain_text(by_fold.gain, metric)} {unit_text(metric)}"
    return f"by fold {gain}, better in {by_fold.better_in} of {by_fold.gain.n}"


def slice_sentence(one: Slice) -> str:
    """Such as ``dark images 0.71 against 0.93 elsewhere (31 of 140 images, p = 0.001)``; p is corrected."""
    total = one.images + one.other_images
    return (
        f"{one.label} {one.accuracy:.2f} against {one.other_accuracy:.2f} elsewhere "
        f"({one.images} of {plural(total, 'image')}, {p_text(one.p_adjusted)})"
    )


def slice_difference_sentence(one: SliceDifference, metric: Metric = ACCURACY) -> str:
    """Such as ``dark images: +8.1 [+1.2, +15.0] points, 0.79 against 0.71 (31 images, p = 0.01)``."""
    return (
        f"{one.label}: {gain_text(one.gain, metric)} points, {one.accuracy:.2f} against {one.reference_accuracy:.2f} "
        f"({plural(one.images, 'image')}, {p_text(one.p_adjusted)})"
    )


def left_out_sentences(comparison: Comparison) -> tuple[str, ...]:
    """How many runs were left out for each reason, and which; a failed one with why it failed."""
    by_reason: dict[str, list[str]] = {}
    for run, reason in comparison.left_out:
        why = f" ({run.tags['failure']})" if "failure" in run.tags else ""
        by_reason.setdefault(reason, []).append(f"{run.name}{why}")
    return tuple(_counted(reason, names) for reason, names in by_reason.items())


def _counted(reason: str, names: Sequence[str]) -> str:
    return f"{len(names)} {reason}: {listed(names, most=_NAMES_SHOWN)}"


def legend(comparison: Comparison) -> str:
    """What the marks mean."""
    failures = comparison.endings.failures
    both = "; scores are of runs that learned, “of all runs” counts those that learned nothing, too" if failures else ""
    return (
        f"★ {reference_text(comparison)}   ≈ not distinguishable from it on test   ▼ worse   ▲ better   · not tested; "
        f"± is half a 95 % interval; a difference is claimed at p ≤ {LEVEL:g}{both}"
    )


def claims_text() -> str:
    """When a difference is claimed, and why an interval that excludes 0 is no claim."""
    return (
        f"A claim about settings takes {SEEDS_FOR_A_VERDICT} seeds and a p of at most {LEVEL:g}, corrected after Holm "
        "for all comparisons; less than 0.05, because scores are not quite normal. An interval is for one difference "
        "alone and not corrected, so one that excludes 0 is no claim by itself."
    )


def reference_text(comparison: Comparison) -> str:
    """Why the others are compared with the first row."""
    return "the reference" if comparison.objective is None else "best on validation"


def row_label(comparison: Comparison, row: Row) -> str:
    """Such as ``dropout=0.3, learning_rate=0.001``; the run's name where nothing differs."""
    short = short_names([setting.name for setting in comparison.settings])
    values = row.configuration.values
    label = ", ".join(f"{short[one.name]}={one.text(values[one.name])}" for one in comparison.settings)
    return label or name_of_runs(row.configuration.runs)


def name_of_runs(runs: Sequence[RunSummary]) -> str:
    """Return what several runs are called where no setting tells them from others, such as "2 seeds of baseline"."""
    if len(runs) == 1:
        return runs[0].name
    seeds = {seed_of(run) for run in runs}
    stems = {re.sub(rf"[-_ ]*s(eed)?[-_=]?{re.escape(seed_of(run))}$", "", run.name) for run in runs}
    what = plural(len(runs), "seed") if len(seeds) == len(runs) else plural(len(runs), "run")
    return f"{what} of {stems.pop()}" if len(stems) == 1 else f"{what}, such as {runs[0].name}"


def model_label(comparison: Comparison, run: RunSummary) -> str:
    """A trained model by its settings, with its seed if it is one of several; else by its run's name."""
    for row in comparison.rows:
        if comparison.settings and run in row.configuration.runs:
            several = len(row.configuration.runs) > 1 and "seed" in run.settings
            return (
                f"{row_label(comparison, row)}, seed={run.settings['seed']}" if several else row_label(comparison, row)
            )
    return run.name


def short_names(names: Sequence[str]) -> dict[str, str]:
    """Settings by the last part of their name where that is unique."""
    last = [name.rpartition(".")[2] for name in names]
    return {name: word if last.count(word) == 1 else name for name, word in zip(names, last, strict=True)}


def value_text(estimate: Estimate, metric: Metric) -> str:
    """Such as ``0.981 ± 0.003``, the mean to the second digit of the interval; ``0.99 [0.71, 1.00]`` where lopsided."""
    most = 4 if metric.is_share or abs(estimate.mean) < 10 else 1
    half = estimate.half_width
    digits = _digits(half, most)
    if half is None or half < _NONE or estimate.low is None or estimate.high is None:  # ties say nothing of other seeds
        return _fixed(estimate.mean, digits)
    if abs((estimate.low + estimate.high) / 2 - estimate.mean) <= _LOPSIDED * half:
        return f"{_fixed(estimate.mean, digits)} ± {_fixed(half, digits)}"
    digits = max(digits, 2)
    mean, low, high = (_fixed(value, digits) for value in (estimate.mean, estimate.low, estimate.high))
    return f"{mean} [{low}, {high}]"


def mean_text(estimate: Estimate, metric: Metric) -> str:
    """The mean alone, with as many digits as its interval leaves it."""
    most = 4 if metric.is_share or abs(estimate.mean) < 10 else 1
    return _fixed(estimate.mean, max(2, _digits(estimate.half_width, most)))


def gain_text(estimate: Estimate, metric: Metric) -> str:
    """Such as ``+0.80 ± 0.31``; an asymmetric interval is written out."""
    half = estimate.half_width
    mean = amount_text(estimate.mean, metric, signed=True, half_width=half)
    if estimate.low is None or estimate.high is None or half is None or half < _NONE:
        return mean
    if abs((estimate.low + estimate.high) / 2 - estimate.mean) < 1e-9:
        return f"{mean} ± {amount_text(half, metric, half_width=half)}"
    low, high = (amount_text(end, metric, signed=True, half_width=half) for end in (estimate.low, estimate.high))
    return f"{mean} [{low}, {high}]"


def amount_text(value: float, metric: Metric, *, signed: bool = False, half_width: float | None = None) -> str:
    """A difference without its unit: points for shares, such as ``0.8``; ``half_width`` decides the digits."""
    factor = 100 if metric.is_share else 1
    digits = _digits(half_width and factor * half_width, 2 if metric.is_share else 4)
    return _fixed(factor * value, digits, sign="+" if signed else "")


def _fixed(value: float, digits: int, *, sign: str = "") -> str:
    """Return a computed number with so many digits; how it was added up does not decide where it is rounded to."""
    return f"{float(f'{value:.12g}'):{sign}.{digits}f}"


def unit_text(metric: Metric) -> str:
    """What follows a difference."""
    return "points" if metric.is_share else f"in {metric.short}"


def p_text(p: float | None) -> str:
    """Such as ``p = 0.031``."""
    if p is None:
        return ""
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _digits(half_width: float | None, most: int) -> int:
    if half_width is None or half_width <= 0:
        return most
    return max(0, min(most, 1 - math.floor(math.log10(half_width))))
