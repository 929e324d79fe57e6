"""From run summaries to a comparison, one step a function."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from cnnexp.comparison.data_sets import with_data_sets
from cnnexp.comparison.design import Configuration, Setting, configurations, seed_of, varying_settings
from cnnexp.comparison.effects import effects
from cnnexp.comparison.fairness import refusals, warnings
from cnnexp.comparison.metric import Metric, metric, validation_objective
from cnnexp.comparison.paired import Estimate, t_interval
from cnnexp.comparison.result import Comparison, Difference, Effect, ModelDifference, Row, Standing
from cnnexp.comparison.same_images import compare_models, name_of_test
from cnnexp.comparison.seeds import SeedScores, adjusted_p_values, compare_over_seeds
from cnnexp.comparison.tested_images import identify_test_images
from cnnexp.errors import ConfigError
from cnnexp.records import RunSummary
from cnnexp.system.text import did_you_mean, plural

MODELS_COMPARED = 12  # rows whose best run is compared image by image: each is a file to read


def compare(runs: Sequence[RunSummary], *, metric_name: str, by: Sequence[str]) -> Comparison:
    """Say what differs between ``runs`` and what of it is more than chance.

    ``metric_name`` is a recorded metric such as test/macro_f1; ``by`` names the settings to look at, all that differ
    where it is empty. Raises ConfigError when no finished run has the metric, or a setting in ``by`` is unknown.
    """
    compared = metric(metric_name)
    usable, left_out = _usable(runs, compared)
    settings = varying_settings(usable, by)
    objective = validation_objective(usable)
    images = identify_test_images(usable)
    refused = refusals(images.groups(usable))
    rows = configurations(usable, settings)
    ranked = _by_settings(rows, settings) if objective is None else _ranked(rows, objective)
    varying = varying_settings(usable, ())
    found = effects(usable, settings=settings, blocked_by=varying, images=images.keys, metric=compared)
    scores = SeedScores.of([row.by_seed(compared) for row in ranked])
    adjusted = adjusted_p_values(scores, ranked=objective is not None)
    over_seeds = (None,) * len(ranked) if refused else compare_over_seeds(scores, compared, adjusted)
    over_seeds, found = _control_error_rate(over_seeds, found, varying, ranked, adjusted)
    best = [_best_run(row, objective) for row in ranked]
    models = () if refused else compare_models(best[0], best[1:MODELS_COMPARED], compared)
    return Comparison(
        metric=compared,
        objective=objective,
        by=tuple(by),
        settings=settings,
        rows=tuple(
            _row(
                row,
                run,
                difference,
                first=index == 0 and not refused,
                models=models,
                single_reference=len(ranked[0].runs) == 1,
                objective=objective,
                compared=compared,
            )
            for index, (row, run, difference) in enumerate(zip(ranked, best, over_seeds, strict=True))
        ),
        effects=found,
        models=models,
        model_test=name_of_test(compared) if models else None,
        left_out=left_out,
        refusals=refused,
        warnings=warnings(ranked, settings, compared, images, [run for run, _ in left_out]),
    )


def _usable(
    runs: Sequence[RunSummary], compared: Metric
) -> tuple[tuple[RunSummary, ...], tuple[tuple[RunSummary, str], ...]]:
    needed = [compared.name, *(["best/val_loss"] if validation_objective(runs) else [])]
    reasons = {run.run_id: _why_left_out(run, needed) for run in runs}
    usable = tuple(run for run in runs if reasons[run.run_id] is None)
    if not usable:
        raise ConfigError(_nothing_to_compare(runs, compared))
    return with_data_sets(usable), tuple((run, reason) for run in runs if (reason := reasons[run.run_id]) is not None)


def _why_left_out(run: RunSummary, needed: Sequence[str]) -> str | None:
    if "pruned" in run.tags and run.tags["pruned"].lower() != "false":
        return "pruned"
    if run.status != "FINISHED":
        return {"SCHEDULED": "waiting"}.get(run.status, run.status.lower())
    for name in needed:
        if name not in run.metrics or not np.isfinite(run.metrics[name]):
            return f"no finite {name}"
    return None


def _nothing_to_compare(runs: Sequence[RunSummary], compared: Metric) -> str:
    finished = [run for run in runs if run.status == "FINISHED"]
    known = sorted({name for run in finished for name in run.metrics})
    if not finished:
        states = ", ".join(sorted({run.status for run in runs})) or "no runs at all"
        return f"A comparison needs at least one FINISHED run; got {plural(len(runs), 'run')}: {states}."
    return (
        f"--metric takes a metric that the runs recorded; got {compared.name!r}, allowed are {', '.join(known)}."
        f"{did_you_mean(compared.name, known)}"
    )


def _ranked(rows: Sequence[Configuration], objective: Metric) -> tuple[Configuration, ...]:
    """Best mean over seeds on validation first."""

    def worse(row: Configuration) -> float:
        return -objective.sign * float(np.mean(list(row.by_seed(objective).values())))

    return tuple(sorted(rows, key=worse))


def _by_settings(rows: Sequence[Configuration], settings: Sequence[Setting]) -> tuple[Configuration, ...]:
    """In the order of their levels, so that no result chooses the reference."""

    def place(row: Configuration) -> list[int]:
        return [setting.levels.index(row.values[setting.name]) for setting in settings]

    return tuple(sorted(rows, key=place))


def _best_run(row: Configuration, objective: Metric | None) -> RunSummary:
    if objective is None:
        return min(row.runs, key=seed_of)
    return max(row.runs, key=lambda run: objective.sign * run.metrics[objective.name])


def _control_error_rate(
    over_seeds: Sequence[Difference | None],
    found: Sequence[Effect],
    varying: Sequence[Setting],
    ranked: Sequence[Configuration],
    adjusted: Mapping[tuple[int, int], float],
) -> tuple[tuple[Difference | None, ...], tuple[Effect, ...]]:
    """Keep false claims below 5 % over rows and effects together when nothing differs.

    With one setting, an effect *is* the difference of two rows, so it gets that comparison's p-value and the two
    cannot contradict each other. With several, rows are called different only if some effect is.
    """
    if len(varying) == 1 and found:
        place = {row.values[varying[0].name]: index for index, row in enumerate(ranked)}
        return tuple(over_seeds), tuple(_with_row_p_value(effect, adjusted, place) for effect in found)
    tested = [effect for effect in found if effect.difference.p_adjusted is not None]
    if tested and all(effect.difference.standing is Standing.ALIKE for effect in tested):
        return tuple(_not_claimed(difference) for difference in over_seeds), tuple(found)
    return tuple(over_seeds), tuple(found)


def _with_row_p_value(effect: Effect, adjusted: Mapping[tuple[int, int], float], place: Mapping[str, int]) -> Effect:
    low, high = sorted((place[effect.level], place[effect.against]))
    if (low, high) not in adjusted:
        return effect
    return replace(effect, difference=replace(effect.difference, p_adjusted=adjusted[low, high]))


def _not_claimed(difference: Difference | None) -> Difference | None:
    if difference is None or difference.p_adjusted is None:
        return difference
    return replace(difference, p_adjusted=1.0)


def _row(
    configuration: Configuration,
    best_run: RunSummary,
    over_seeds: Difference | None,
    *,
    first: bool,
    models: Sequence[ModelDifference],
    single_reference: bool,
    objective: Metric | None,
    compared: Metric,
) -> Row:
    score = _over_seeds(configuration, compared)
    return Row(
        configuration=configuration,
        seeds=score.n,
        objective=None if objective is None else _over_seeds(configuration, objective),
        score=score,
        means=_means(configuration.runs),
        best_run=best_run,
        over_seeds=over_seeds,
        standing=Standing.REFERENCE if first else _standing(over_seeds, configuration, models, single_reference),
    )


def _over_seeds(configuration: Configuration, metric: Metric) -> Estimate:
    return t_interval(list(configuration.by_seed(metric).values()))


def _standing(
    over_seeds: Difference | None,
    configuration: Configuration,
    models: Sequence[ModelDifference],
    single_reference: bool,
) -> Standing:
    """Over seeds where there are enough; one run against one run is judged as a model.

    A single run against a mean over seeds stays untested: that one model is worse says nothing about its setting.
    """
    if over_seeds is not None and over_seeds.p_adjusted is not None:
        return over_seeds.standing
    if single_reference and len(configuration.runs) == 1:
        for model in models:
            if model.run is configuration.runs[0]:
                return model.difference.standing
    return Standing.UNTESTED


def _means(runs: Sequence[RunSummary]) -> dict[str, float]:
    """Mean over runs of every metric that all of them have."""
    names = set.intersection(*(set(run.metrics) for run in runs))
    return {name: float(np.mean([run.metrics[name] for run in runs])) for name in sorted(names)}
