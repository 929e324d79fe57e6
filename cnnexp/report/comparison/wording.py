"""The sentences of a comparison, the same in the terminal, the page and MLflow."""

import math
from collections.abc import Sequence

from cnnexp.comparison.metric import Metric
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
from cnnexp.comparison.same_images import MCNEMAR
from cnnexp.diagnosis import learning_advice
from cnnexp.records import RunSummary
from cnnexp.system.text import listed

MARKS = {
    Standing.REFERENCE: "★",
    Standing.WORSE: "▼",
    Standing.BETTER: "▲",
    Standing.ALIKE: "≈",
    Standing.UNTESTED: "·",
}
_NAMES_SHOWN = 5  # of runs left out, for each reason


def verdict(comparison: Comparison) -> tuple[str, ...]:
    """The answer first, then what it is based on."""
    if comparison.refusals:
        return tuple(f"Refused. {refusal}" for refusal in comparison.refusals)
    if len(comparison.rows) == 1:
        score = value_text(comparison.reference.score, comparison.metric)
        return (f"One setting, nothing to compare it with: {comparison.metric.name} {score}.",)
    if comparison.enough_seeds:
        return (_settings_verdict(comparison), *_claimed_effects(comparison))
    return (*_models_verdict(comparison), _too_few_seeds(comparison))


def _settings_verdict(comparison: Comparison) -> str:
    best = f"{row_label(comparison, comparison.reference)} is {reference_text(comparison)}"
    by_standing = {
        standing: _labels(comparison, standing) for standing in (Standing.WORSE, Standing.BETTER, Standing.ALIKE)
    }
    parts = []
    if by_standing[Standing.WORSE]:
        parts.append(f"on test it is better than {_some(by_standing[Standing.WORSE])}")
    if by_standing[Standing.BETTER]:
        parts.append(f"on test {_some(by_standing[Standing.BETTER])} did better")
    if by_standing[Standing.ALIKE] and parts:
        parts.append(f"not distinguishable from {_some(by_standing[Standing.ALIKE])}")
    if not parts:
        alike = _some(by_standing[Standing.ALIKE])
        return f"No difference shown: {best}, but on test it cannot be told from {alike}. {_open_range(comparison)}"
    return f"{best}; {'; '.join(parts)}."


def _open_range(comparison: Comparison) -> str:
    """The differences that the data do not rule out: no difference shown is not proof of none."""
    gains = [row.over_seeds.gain for row in comparison.rows if row.over_seeds is not None]
    low = min(gain.low for gain in gains if gain.low is not None)
    high = max(gain.high for gain in gains if gain.high is not None)
    return (
        f"The intervals still allow differences from {amount_text(low, comparison.metric, signed=True)} "
        f"to {amount_text(high, comparison.metric, signed=True)} {unit_text(comparison.metric)}."
    )


def _claimed_effects(comparison: Comparison) -> tuple[str, ...]:
    claimed = [
        effect for effect in comparison.effects if effect.difference.standing in (Standing.BETTER, Standing.WORSE)
    ]
    largest = sorted(claimed, key=lambda effect: -abs(effect.difference.gain.mean))[:5]
    return tuple(f"{effect_sentence(effect, comparison.metric)}." for effect in largest)


def _models_verdict(comparison: Comparison) -> tuple[str, ...]:
    if not comparison.models:
        best = row_label(comparison, comparison.reference)
        more = "differs by" if comparison.objective is None else "is"
        return (f"{best} is {reference_text(comparison)}; whether it {more} more than chance cannot be said.",)
    count = comparison.models[0].difference.gain.n
    folds = comparison.models[0].by_fold
    images = f"{count} test images" if folds is None else f"{count} images in {folds.gain.n} folds"
    test = "McNemar" if comparison.model_test == MCNEMAR else "paired bootstrap"
    test += "" if folds is None else ", and by fold"
    if len(comparison.models) == 1:
        return (f"On the same {images} ({test}): {model_sentence(comparison.models[0], comparison)}.",)
    by_standing = {
        standing: _models(comparison, standing) for standing in (Standing.WORSE, Standing.BETTER, Standing.ALIKE)
    }
    parts = [
        f"{text} {_some(by_standing[standing])}"
        for standing, text in (
            (Standing.WORSE, "is better than"),
            (Standing.BETTER, "is worse than"),
            (Standing.ALIKE, "cannot be told from"),
        )
        if by_standing[standing]
    ]
    name = model_label(comparison, comparison.reference.best_run)
    return (f"As trained models on the same {images} ({test}): {name} {', '.join(parts)}.",)


def _too_few_seeds(comparison: Comparison) -> str:
    fewest = min(row.seeds for row in comparison.rows)
    there = "there is a single seed" if fewest == 1 else f"some have {fewest}"
    return f"No verdict about the settings themselves: that needs {SEEDS_FOR_A_VERDICT} seeds for each, {there}."


def _labels(comparison: Comparison, standing: Standing) -> list[str]:
    return [row_label(comparison, row) for row in comparison.rows if row.standing is standing]


def _models(comparison: Comparison, standing: Standing) -> list[str]:
    return [model_label(comparison, model.run) for model in comparison.models if model.difference.standing is standing]


def _some(labels: Sequence[str]) -> str:
    """The labels if they are few, else their number."""
    if len(labels) <= 3:
        return " and ".join(labels)
    return f"{len(labels)} others"


def effect_sentence(effect: Effect, metric: Metric) -> str:
    """The effect of one level of a setting."""
    level, against = (effect.setting.text(one) for one in (effect.level, effect.against))
    level = f"{effect.setting.name}={level}"
    difference = effect.difference
    n = f"n = {difference.gain.n}"
    plain = gain_text(difference.gain, metric)
    if difference.standing is Standing.UNTESTED:
        return (
            f"{level} against {against}: {plain} {unit_text(metric)} ({n}; a verdict needs {SEEDS_FOR_A_VERDICT} seeds)"
        )
    if difference.standing is Standing.ALIKE:
        return f"{level} against {against}: no difference shown, {plain} {unit_text(metric)} ({n})"
    return f"{level} {_verb(difference, metric)} against {against} ({n}, {p_text(difference.p_adjusted)})"


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


def left_out_sentences(comparison: Comparison) -> tuple[str, ...]:
    """How many runs were left out for each reason, and which; a failed one with why it failed."""
    by_reason: dict[str, list[str]] = {}
    for run, reason in comparison.left_out:
        why = f" ({run.tags['failure']})" if "failure" in run.tags else ""
        by_reason.setdefault(reason, []).append(f"{run.name}{why}")
    return tuple(_counted(reason, names) for reason, names in by_reason.items())


def advice_sentences(comparison: Comparison) -> tuple[str, ...]:
    """Return for each setting of which runs learned nothing what to try, by what the others of the sweep know."""
    runs = [run for row in comparison.rows for run in row.configuration.runs]
    return learning_advice([*runs, *(run for run, _ in comparison.left_out)])


def _counted(reason: str, names: Sequence[str]) -> str:
    return f"{len(names)} {reason}: {listed(names, most=_NAMES_SHOWN)}"


def legend(comparison: Comparison) -> str:
    """What the marks mean."""
    return (
        f"★ {reference_text(comparison)}   ≈ not distinguishable from it on test   ▼ worse   ▲ better   · not tested; "
        f"± is half a 95 % interval; a difference is claimed at p ≤ {LEVEL:g}"
    )


def reference_text(comparison: Comparison) -> str:
    """Why the others are compared with the first row."""
    return "the reference" if comparison.objective is None else "best on validation"


def row_label(comparison: Comparison, row: Row) -> str:
    """Such as ``dropout=0.3, learning_rate=0.001``; the run's name where nothing differs."""
    short = short_names([setting.name for setting in comparison.settings])
    values = row.configuration.values
    label = ", ".join(f"{short[one.name]}={one.text(values[one.name])}" for one in comparison.settings)
    return label or row.best_run.name


def model_label(comparison: Comparison, run: RunSummary) -> str:
    """A trained model by its settings, with its seed if it is one of several; the run's name where it is in no row."""
    for row in comparison.rows:
        if run in row.configuration.runs:
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
    """Such as ``0.981 ± 0.003``; the mean is given to the second digit of the interval."""
    most = 4 if metric.is_share or abs(estimate.mean) < 10 else 1
    digits = _digits(estimate.half_width, most)
    spread = "" if estimate.half_width is None else f" ± {estimate.half_width:.{digits}f}"
    return f"{estimate.mean:.{digits}f}{spread}"


def gain_text(estimate: Estimate, metric: Metric) -> str:
    """Such as ``+0.80 ± 0.31``; an asymmetric interval is written out."""
    half = estimate.half_width
    mean = amount_text(estimate.mean, metric, signed=True, half_width=half)
    if estimate.low is None or estimate.high is None or half is None:
        return mean
    if abs((estimate.low + estimate.high) / 2 - estimate.mean) < 1e-9:
        return f"{mean} ± {amount_text(half, metric, half_width=half)}"
    low, high = (amount_text(end, metric, signed=True, half_width=half) for end in (estimate.low, estimate.high))
    return f"{mean} [{low}, {high}]"


def amount_text(value: float, metric: Metric, *, signed: bool = False, half_width: float | None = None) -> str:
    """A difference without its unit: points for shares, such as ``0.8``; ``half_width`` decides the digits."""
    factor = 100 if metric.is_share else 1
    digits = _digits(half_width and factor * half_width, 2 if metric.is_share else 4)
    return f"{factor * value:{'+' if signed else ''}.{digits}f}"


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
