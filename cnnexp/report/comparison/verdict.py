"""The verdict of a comparison: one sentence, then what it rests on; the same in terminal, page, Markdown and MLflow."""

from collections.abc import Mapping, Sequence

from cnnexp.comparison.result import (
    SEEDS_FOR_A_VERDICT,
    Comparison,
    Difference,
    Importance,
    ModelDifference,
    Share,
    Standing,
)
from cnnexp.comparison.same_images import MCNEMAR
from cnnexp.report.comparison.headline import (
    claimed_effects,
    failure_words,
    headline,
    interaction_words,
)
from cnnexp.report.comparison.setting_words import best_so_far, row_words, setting_name
from cnnexp.report.comparison.wording import (
    amount_text,
    effect_sentence,
    model_label,
    model_sentence,
    row_label,
    slice_difference_sentence,
    slice_sentence,
    unit_text,
)
from cnnexp.system.text import plural

_EFFECTS, _INTERACTIONS, _IMPORTANCE, _SLICES = 5, 3, 4, 3  # that are said
_NOTHING = " (learned nothing)"  # behind the name of a model, or of a row
_RELATIONS = {  # of the best one to another, by the standing of that other
    Standing.WORSE: "better than",
    Standing.BETTER: "worse than",
    Standing.ALIKE: "not distinguishable from",
}


def verdict(comparison: Comparison) -> tuple[str, ...]:
    """The answer first, in at most 25 words, then which setting is best so far, then what that is based on."""
    answer = headline(comparison)
    sentences = filter(None, (best_so_far(comparison), *_details(comparison)))
    return (answer, *(sentence for sentence in sentences if sentence.rstrip(".") not in answer))


def basis(comparison: Comparison) -> str:
    """Return in one line what the answer rests on: seeds and their test, or models on the same images."""
    if comparison.refusals:
        return comparison.refusals[0]
    if len(comparison.rows) == 1:
        return ""
    if comparison.enough_seeds:
        return _tests(comparison)
    return _models_counted(comparison) if len(comparison.models) > 1 else _models_verdict(comparison)[0]


def _models_counted(comparison: Comparison) -> str:
    """How many of the trained models the best one beats, or cannot be told from."""
    standings = [one.difference.standing for one in comparison.models]
    parts = [
        f"{text} {standings.count(standing)}"
        for standing, text in (
            (Standing.WORSE, "beats"),
            (Standing.BETTER, "is beaten by"),
            (Standing.ALIKE, "cannot be told from"),
        )
        if standing in standings
    ]
    best = row_words(comparison, comparison.reference)
    others = plural(len(standings), "other trained model")
    return f"On the same {_images(comparison)}: of {others}, the best of {best} {', '.join(parts)}."


def _images(comparison: Comparison) -> str:
    """The images that models are compared on, and the test."""
    first = comparison.models[0]
    count, folds = first.difference.gain.n, first.by_fold
    images = f"{count} test images" if folds is None else f"{count} images in {folds.gain.n} folds"
    test = "McNemar" if comparison.model_test == MCNEMAR else "paired bootstrap"
    return f"{images} ({test}{'' if folds is None else ', and by fold'})"


def _details(comparison: Comparison) -> tuple[str, ...]:
    if comparison.refusals:
        return comparison.refusals
    counts = _counts(comparison)
    failing = [f"{_upper(failure_words(one))}." for one in comparison.failure_interactions[:_INTERACTIONS]]
    if len(comparison.rows) == 1:
        answer: tuple[str, ...] = ()
    elif comparison.enough_seeds:
        answer = _over_seeds(comparison)
    else:
        answer = (*_models_verdict(comparison), *_too_few_seeds(comparison))
    return (*counts, *failing, *answer, *slice_sentences(comparison))


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]


def _counts(comparison: Comparison) -> tuple[str, ...]:
    """How many runs learned, and what became of the others; nothing where all learned."""
    endings = comparison.endings
    if endings.learned == endings.total:
        return ()
    nothing = ", ".join(
        how if count == endings.failures else f"{count} {how}" for how, count in endings.learned_nothing.items()
    )
    parts = [f"{endings.failures} learned nothing ({nothing})"] if endings.failures else []
    parts += [f"{count} {how}" for how, count in endings.not_finished.items()]
    both = ""
    if endings.failures and any(row.score != row.score_all for row in comparison.rows):
        both = " Scores are of the runs that learned; the column beside them counts all that finished."
    return (f"{plural(endings.total, 'run')}: {endings.learned} learned, {', '.join(parts)}.{both}",)


def _over_seeds(comparison: Comparison) -> tuple[str, ...]:
    claimed = sorted(claimed_effects(comparison), key=lambda effect: -abs(effect.difference.gain.mean))
    interactions = comparison.score_interactions[:_INTERACTIONS]
    return (
        *(f"{effect_sentence(effect, comparison.metric)}." for effect in claimed[:_EFFECTS]),
        *(f"{_upper(interaction_words(one, comparison.metric))}." for one in interactions),
        _best_row(comparison),
        *importance_sentences(comparison.importance),
        _tests(comparison),
    )


def _best_row(comparison: Comparison) -> str:
    labels = {
        standing: [
            f"{row_label(comparison, row)}{'' if row.endings.learned else _NOTHING}"
            for row in comparison.rows
            if row.standing is standing
        ]
        for standing in _RELATIONS
    }
    parts = _related(labels)
    allowed = _open_range(comparison) if not (labels[Standing.WORSE] or labels[Standing.BETTER]) else ""
    best = f"The {reference_words(comparison).removeprefix('the ')}"
    return f"{best} is on test {', '.join(parts) or 'compared with none'}.{allowed}"


def _related(labels: Mapping[Standing, Sequence[str]]) -> list[str]:
    """Return what the best one is to the others, by their standing against it."""
    return [f"{relation} {_some(labels[standing])}" for standing, relation in _RELATIONS.items() if labels[standing]]


def slice_sentences(comparison: Comparison) -> tuple[str, ...]:
    """Where the best model is weak or strong, and where the next one differs from it, as far as that is claimed."""
    best = model_label(comparison, comparison.reference.best_run)
    claimed = [slice_sentence(one) for one in comparison.slices if one.is_claimed][:_SLICES]
    between = [slice_difference_sentence(one) for one in comparison.slice_differences if one.is_claimed][:_SLICES]
    found = []
    if claimed:
        found.append(f"{best} by parts of the images: {'; '.join(claimed)}.")
    elif comparison.slices:
        looked = plural(len(comparison.slices), "part")
        found.append(f"{best} is as good on each of {looked} of the images that were looked at, as far as is shown.")
    if between:
        other = model_label(comparison, comparison.rows[1].best_run)
        found.append(f"{other} against {best} on {'; '.join(between)}.")
    return tuple(found)


def reference_words(comparison: Comparison) -> str:
    """Return why the others are compared with the first row."""
    return "the reference" if comparison.objective is None else "best on validation"


def _open_range(comparison: Comparison) -> str:
    """The differences that the data do not rule out: no difference shown is not proof of none."""
    gains = [row.over_seeds.gain for row in comparison.rows if row.over_seeds is not None]
    low = min((gain.low for gain in gains if gain.low is not None), default=None)
    high = max((gain.high for gain in gains if gain.high is not None), default=None)
    if low is None or high is None:
        return ""
    metric = comparison.metric
    return (
        f" The intervals still allow differences from {amount_text(low, metric, signed=True)} "
        f"to {amount_text(high, metric, signed=True)} {unit_text(metric)}."
    )


def importance_sentences(found: Sequence[Importance]) -> tuple[str, ...]:
    """How much of the variance between runs each setting explains; where some learned nothing, between the others.

    Runs that learned nothing differ so much from the others that they would hide what matters among these.
    """
    if not found:
        return ()
    learned = [(one.setting, one.learned) for one in found if one.learned is not None]
    of_all = [(one.setting, one.share) for one in found]
    shares = sorted(learned, key=lambda one: -one[1].value) or of_all
    shown = [f"{setting_name(setting)} {share_words(share)}" for setting, share in shares[:_IMPORTANCE]]
    more = f"; {len(shares) - _IMPORTANCE} more" if len(shares) > _IMPORTANCE else ""
    which, also = "", ""
    if learned:
        (setting, share), which = of_all[0], " that learned"
        also = f". With those that learned nothing: {setting_name(setting)} {share_words(share)}"
    return (f"Of the variance between runs{which}, by itself: {'; '.join(shown)}{more}{also}.",)


def share_words(share: Share) -> str:
    """Return such as "62 % (31 to 80)"; where nothing is shown, that it cannot be told from zero."""
    doubt = "" if share.told_from_zero else ", cannot be told from zero"
    return f"{100 * share.value:.0f} % ({100 * share.low:.0f} to {100 * share.high:.0f}{doubt})"


def _tests(comparison: Comparison) -> str:
    pairs = [row.over_seeds for row in comparison.rows if _is_tested(row.over_seeds)]
    fewest = min(one.gain.n for one in pairs if one is not None)
    return f"Pairs of runs with the same seed ({fewest} or more), Student's paired t-test, corrected after Holm."


def _is_tested(difference: Difference | None) -> bool:
    return difference is not None and difference.p_adjusted is not None


def _models_verdict(comparison: Comparison) -> tuple[str, ...]:
    if not comparison.models:
        best = _upper(row_words(comparison, comparison.reference))
        more = "differs by" if comparison.objective is None else "is"
        return (f"{best} is {reference_words(comparison)}; whether it {more} more than chance cannot be said.",)
    images = _images(comparison)
    if len(comparison.models) == 1:
        return (f"On the same {images}: {model_sentence(comparison.models[0], comparison)}.",)
    labels = {
        standing: [_model_label(comparison, one) for one in comparison.models if one.difference.standing is standing]
        for standing in _RELATIONS
    }
    name = model_label(comparison, comparison.reference.best_run)
    return (f"As trained models on the same {images}, the best of each row: {name} is {', '.join(_related(labels))}.",)


def _too_few_seeds(comparison: Comparison) -> tuple[str, ...]:
    if comparison.objective is None:
        return ()
    fewest = min(row.seeds for row in comparison.rows)
    there = "there is a single seed" if fewest == 1 else f"some have {fewest}"
    return (f"No verdict about the settings themselves: that needs {SEEDS_FOR_A_VERDICT} seeds for each, {there}.",)


def _model_label(comparison: Comparison, model: ModelDifference) -> str:
    nothing = comparison.run_endings[model.run.run_id] != "learned"
    return f"{model_label(comparison, model.run)}{_NOTHING if nothing else ''}"


def _some(labels: Sequence[str]) -> str:
    """The labels if they are few, else their number, and of how many of them beating is no feat."""
    if len(labels) <= 3:
        return " and ".join(labels)
    nothing = sum(label.endswith(_NOTHING) for label in labels)
    return f"{len(labels)} others{f' ({nothing} of them learned nothing)' if nothing else ''}"
