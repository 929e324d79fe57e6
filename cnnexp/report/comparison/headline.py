"""The verdict as one sentence that a person can say aloud: in terms of settings, of at most 25 words."""

from collections.abc import Iterator, Sequence

from cnnexp.comparison.design import Setting
from cnnexp.comparison.metric import Metric
from cnnexp.comparison.result import (
    SEEDS_FOR_A_VERDICT,
    Comparison,
    Difference,
    Effect,
    FailureInteraction,
    Row,
    ScoreInteraction,
    Standing,
)
from cnnexp.report.comparison.setting_words import MOST_SETTINGS, level_name, row_words, setting_name
from cnnexp.report.comparison.wording import amount_text, unit_text, value_text
from cnnexp.system.text import plural

MOST_WORDS = 25
_MOST_LEVELS = 4  # that are named
_CLAIMED = (Standing.BETTER, Standing.WORSE)
_LEARNED = "among runs that learned"


def headline(comparison: Comparison) -> str:
    """Return the verdict: what the settings do, and how many runs learned nothing or failed."""
    failures = _failures(comparison)
    if comparison.endings.failures and not (comparison.enough_seeds or comparison.refusals):
        for failure in failures:
            sentence = "; ".join(filter(None, (failure, _needs(comparison))))
            if len(sentence.split()) <= MOST_WORDS:
                return _sentence(sentence)
    for main in _answers(comparison):
        for failure in failures:
            sentence = "; ".join(filter(None, (main, failure)))
            if len(sentence.split()) <= MOST_WORDS:
                return _sentence(sentence)
    return _sentence(" ".join(sentence.split()[:MOST_WORDS]))


def _needs(comparison: Comparison) -> str:
    """Return how many seeds a verdict needs where there are too few."""
    fewest = min(row.seeds for row in comparison.rows)
    if len(comparison.rows) == 1 or comparison.objective is None:
        return ""
    return f"a verdict on scores needs {SEEDS_FOR_A_VERDICT} seeds, not {fewest}"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."


def _answers(comparison: Comparison) -> Iterator[str]:
    """Yield what is said of the scores, the fullest first, the shortest last."""
    if comparison.refusals:
        yield "refused: these runs were tested on different images, so no setting is called best"
    elif len(comparison.rows) == 1:
        yield f"one setting, nothing to compare it with: {_score(comparison)}"
        yield "one setting, nothing to compare it with"
    elif comparison.enough_seeds:
        yield from _over_seeds(comparison)
    else:
        yield from _without_verdict(comparison)


def _score(comparison: Comparison) -> str:
    return f"{comparison.metric.name} {value_text(comparison.reference.score, comparison.metric)}"


def _over_seeds(comparison: Comparison) -> Iterator[str]:
    effects = sorted(claimed_effects(comparison), key=lambda one: -abs(one.difference.gain.mean))
    turned = [one for one in comparison.score_interactions if one.gain_with * one.gain_without < 0]
    if turned and (not effects or _concerns(turned[0], effects[0])):
        yield interaction_words(turned[0], comparison.metric)
        yield f"what {setting_name(turned[0].setting)} does depends on {setting_name(turned[0].other)}"
    elif effects:
        yield from _beats(effects[0], comparison.metric)
    elif any(row.standing in _CLAIMED for row in comparison.rows):
        yield from _rows_differ(comparison)
    else:
        yield from _no_difference(comparison)


def _concerns(interaction: ScoreInteraction, effect: Effect) -> bool:
    return effect.setting.name in (interaction.setting.name, interaction.other.name)


def claimed_effects(comparison: Comparison) -> list[Effect]:
    """Return the effects that are more than chance."""
    return [effect for effect in comparison.effects if effect.difference.standing in _CLAIMED]


def _beats(effect: Effect, metric: Metric) -> Iterator[str]:
    won, lost = effect.level, effect.against
    if effect.difference.standing is Standing.WORSE:
        won, lost = lost, won
    who = f"{setting_name(effect.setting)} {level_name(effect.setting, won)} beats {level_name(effect.setting, lost)}"
    difference = effect.difference
    where = f" {_LEARNED}" if difference.basis == "learned" else ""
    much = f"by {_amount(abs(difference.gain.mean), difference, metric)} {_unit(metric)}"
    yield f"{who} {much}{where} ({_spread(difference, metric)}{plural(difference.gain.n, 'seed')})"
    yield f"{who} {much}{where}"
    yield f"{who}{where}"


def _spread(difference: Difference, metric: Metric) -> str:
    half = difference.gain.half_width
    return "" if half is None else f"± {_amount(half, difference, metric)}, "


def _amount(value: float, difference: Difference, metric: Metric) -> str:
    return amount_text(value, metric, half_width=difference.gain.half_width)


def _unit(metric: Metric) -> str:
    return unit_text(metric).replace("_", " ")


def _rows_differ(comparison: Comparison) -> Iterator[str]:
    """Rows whose settings changed together, so that no effect of a single setting is known."""
    better, worse = (sum(row.standing is one for row in comparison.rows) for one in _CLAIMED)
    others = len(comparison.rows) - 1
    if better:
        said = f"{better} of {others} other settings did better on test than the best on validation"
        yield f"{said}, {row_words(comparison, comparison.reference)}"
        yield said
    else:
        yield f"{row_words(comparison, comparison.reference)} beats {worse} of {plural(others, 'other setting')}"
        yield f"the best of {len(comparison.rows)} settings on validation beats {worse} of {others} others"


def _no_difference(comparison: Comparison) -> Iterator[str]:
    differences = [row.over_seeds for row in comparison.rows if row.over_seeds is not None]
    where = f" {_LEARNED}" if any(one.basis == "learned" for one in differences) else ""
    seeds = plural(min(one.gain.n for one in differences if one.p_adjusted is not None), "seed")
    tested = [row for row in comparison.rows if row.standing is not Standing.UNTESTED]
    yield f"no difference shown {between(comparison.settings, tested)}{where} ({seeds})"
    yield f"no difference shown between {len(tested)} settings{where} ({seeds})"


def between(settings: Sequence[Setting], tested: Sequence[Row]) -> str:
    """Return such as "between dropout 0 and 0.3", levels of the rows `tested`, or "for batch size and dropout"."""
    if len(settings) == 1:
        (setting,) = settings
        those = {row.configuration.values[setting.name] for row in tested}
        levels = [level_name(setting, level) for level in setting.levels if level in those]
        if len(levels) > _MOST_LEVELS:
            return f"between {len(levels)} values of {setting_name(setting)}"
        return f"between {setting_name(setting)} {_and(levels)}"
    if len(settings) > MOST_SETTINGS:
        return f"for any of {len(settings)} settings"
    return f"for {_and([setting_name(setting) for setting in settings])}"


def _and(words: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _without_verdict(comparison: Comparison) -> Iterator[str]:
    """Too few seeds for the settings; two single models may still differ on their images."""
    fewest = min(row.seeds for row in comparison.rows)
    needs = f"a verdict needs {SEEDS_FOR_A_VERDICT} seeds, not {fewest}"
    if len(comparison.rows) == 2 and len(comparison.models) == 1 and comparison.of_single_models:
        for said in _models_differ(comparison):
            if comparison.objective is not None:
                yield f"{said}; about settings {needs}"
            yield said
    best = row_words(comparison, comparison.reference)
    if comparison.objective is None:
        changed = sum(row.standing in _CLAIMED for row in comparison.rows)
        yield f"{changed} of {plural(len(comparison.rows) - 1, 'row')} differ from {best} on these images"
        yield f"{changed} of {plural(len(comparison.rows) - 1, 'row')} differ from the reference on these images"
    else:
        yield f"{best} is best on validation; {needs}"
        yield f"one of {len(comparison.rows)} settings is best on validation; {needs}"


def _models_differ(comparison: Comparison) -> Iterator[str]:
    (model,) = comparison.models
    other = next((row for row in comparison.rows[1:] if row.best_run is model.run), comparison.rows[1])
    one, another = (row_words(comparison, row) for row in (other, comparison.reference))
    difference = model.difference
    beaten = comparison.reference
    if difference.standing is Standing.WORSE:
        one, another, beaten = another, one, other
    if len(comparison.settings) == 1:
        (setting,) = comparison.settings
        another = level_name(setting, beaten.configuration.values[setting.name])
    if difference.standing is Standing.ALIKE:
        yield f"on these images no difference shown between {one} and {another}"
        yield "on these images no difference shown"
        return
    much = f"by {_amount(abs(difference.gain.mean), difference, comparison.metric)} {_unit(comparison.metric)}"
    yield f"on these images {one} beats {another} {much}"
    yield f"on these images one setting beats the other {much}"


def _failures(comparison: Comparison) -> list[str]:
    """Return what is said of runs that learned nothing or failed, the fullest first; the last is never left out."""
    endings = comparison.endings
    broken = sum(count for why, count in endings.not_finished.items() if why in ("failed", "killed"))
    failed = f"{broken} of {plural(endings.total, 'run')} failed" if broken else ""
    if not endings.failures:
        return [failed]
    nothing = f"{endings.failures} of {plural(endings.tried, 'run')} learned nothing"
    found = [
        f"{text}{_plus(failed)}" for text in (*map(_short, comparison.failure_interactions[:1]), *_levels(comparison))
    ]
    return [*found, f"{nothing}{_plus(failed)}"]


def _plus(text: str) -> str:
    return f", {text}" if text else ""


def _short(one: FailureInteraction) -> str:
    failures, tried = (sum(getattr(cell, name) for cell in one.fails_with.values()) for name in ("failures", "tried"))
    others = _and([level_name(one.other, level) for level in one.fails_with])
    return (
        f"{setting_name(one.setting)} {level_name(one.setting, one.level)} with {setting_name(one.other)} {others} "
        f"made {failures} of {plural(tried, 'run')} learn nothing"
    )


def _levels(comparison: Comparison) -> list[str]:
    """Return the level under which all that learned nothing are, if there is one."""
    for one in comparison.by_level:
        if one.others.failures == 0:
            name = f"{setting_name(one.setting)} {level_name(one.setting, one.level)}"
            return [f"{name} made {one.endings.failures} of {plural(one.endings.tried, 'run')} learn nothing"]
    return []


def failure_words(one: FailureInteraction) -> str:
    """Return such as "rate 0.01 fails with batch size 16 (3 of 6 runs learned nothing), not with 64 (0 of 6 runs)"."""
    groups = [
        f"{_and([level_name(one.other, level) for level in cells])} "
        f"({sum(cell.failures for cell in cells.values())} of {plural(sum(c.tried for c in cells.values()), 'run')}"
        for cells in (one.fails_with, one.not_with)
    ]
    name = f"{setting_name(one.setting)} {level_name(one.setting, one.level)}"
    return f"{name} fails with {setting_name(one.other)} {groups[0]} learned nothing), not with {groups[1]})"


def interaction_words(one: ScoreInteraction, metric: Metric) -> str:
    """Return such as "dropout 0.3 gains 5.0 points with model vgg but loses 2.0 with small (5 seeds)"."""
    verbs = [("gains" if gain >= 0 else "loses") for gain in (one.gain_with, one.gain_without)]
    amounts = [_amount(abs(gain), one.difference, metric) for gain in (one.gain_with, one.gain_without)]
    name = f"{setting_name(one.setting)} {level_name(one.setting, one.level)}"
    joined = "but" if verbs[0] != verbs[1] else "and"
    return (
        f"{name} {verbs[0]} {amounts[0]} {_unit(metric)} with {setting_name(one.other)} "
        f"{level_name(one.other, one.other_level)} {joined} {verbs[1]} {amounts[1]} with "
        f"{level_name(one.other, one.other_against)} ({plural(one.difference.gain.n, 'seed')})"
    )
