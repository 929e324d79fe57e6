"""From run summaries to a comparison, one step a function."""

from collections.abc import Container, Mapping, Sequence

import numpy as np

from cnnexp.comparison.data_sets import with_data_sets
from cnnexp.comparison.design import Configuration, Setting, configurations, seed_of, value_of, varying_settings
from cnnexp.comparison.effects import effects
from cnnexp.comparison.endings import LEARNED, Endings, LostRow, by_level, counted, run_endings
from cnnexp.comparison.error_rate import control_error_rate
from cnnexp.comparison.fairness import refusals, warnings
from cnnexp.comparison.importance import importance
from cnnexp.comparison.interactions import failure_interactions, score_interactions
from cnnexp.comparison.metric import Metric, metric, validation_objective
from cnnexp.comparison.paired import Estimate, mean_interval
from cnnexp.comparison.result import (
    Comparison,
    Difference,
    ModelDifference,
    Row,
    Standing,
)
from cnnexp.comparison.same_images import aligned, compare_models, name_of_test
from cnnexp.comparison.seeds import SeedScores, adjusted_p_values, compare_over_seeds
from cnnexp.comparison.slices import Slice, SliceDifference, slice_differences, slices
from cnnexp.comparison.tested_images import identify_test_images
from cnnexp.diagnosis import DIVERGED, has_diverged
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
    ended = run_endings(usable, left_out)
    learned = {run.run_id for run in usable if ended[run.run_id] == LEARNED}
    rows = configurations(usable, settings)
    without_score = _placed([run for run, _ in left_out], usable, settings)
    diverged = [run for run in without_score if ended[run.run_id] == DIVERGED]
    ranked = _by_settings(rows, settings) if objective is None else _ranked(rows, objective, diverged)
    varying = varying_settings(usable, ())
    found = effects(usable, settings=settings, blocked_by=varying, images=images.keys, metric=compared, learned=learned)
    scores = SeedScores.of(
        [row.by_seed(compared) for row in ranked], [row.only(learned).by_seed(compared) for row in ranked]
    )
    adjusted = adjusted_p_values(scores, ranked=objective is not None)
    untested = ((None, None),) * len(ranked)
    pairs = untested if refused else compare_over_seeds(scores, compared, adjusted)
    together = (
        ()
        if refused
        else score_interactions(
            usable, settings=settings, blocked_by=varying, images=images.keys, metric=compared, learned=learned
        )
    )
    over_seeds, found = control_error_rate([pair[0] for pair in pairs], found, together, varying, ranked, adjusted)
    best = [_best_run(row, objective) for row in ranked]
    parts = ((), ()) if refused or not compared.name.startswith("test/") else _slices(best)
    finished = frozenset(run.run_id for run in usable)
    tried = varying_settings([*usable, *without_score], by)  # of which some levels may have no score at all
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
                (difference, pair[1]),
                first=index == 0 and not refused,
                models=models,
                single_reference=len(ranked[0].runs) == 1,
                objective=objective,
                compared=compared,
                learned=learned,
                endings=counted([*row.runs, *_of(row, without_score)], ended, finished),
            )
            for index, (row, run, difference, pair) in enumerate(zip(ranked, best, over_seeds, pairs, strict=True))
        ),
        effects=found,
        models=models,
        model_test=name_of_test(compared) if models else None,
        left_out=left_out,
        refusals=refused,
        warnings=warnings(ranked, settings, compared, images, [run for run, _ in left_out]),
        endings=counted(runs, ended, finished),
        run_endings=ended,
        by_level=by_level([*usable, *without_score], tried, ended, finished),
        lost=_lost(without_score, ranked, tried, ended, finished),
        importance=() if refused else importance(usable, settings=varying, metric=compared, learned=learned),
        failure_interactions=failure_interactions([*usable, *without_score], tried, ended, finished),
        score_interactions=together,
        slices=parts[0],
        slice_differences=parts[1],
    )


def require_recorded(runs: Sequence[RunSummary], *, metric_name: str, by: Sequence[str]) -> None:
    """Raise ConfigError where runs have ended as they should, and none has the metric, or a setting in ``by``.

    What `compare` would say when all have ended: until one has, nobody knows what they will have recorded.
    """
    ended = [run for run in runs if _why_left_out(run, ()) is None]
    if ended and not any(metric_name in run.metrics for run in ended):
        raise ConfigError(_nothing_to_compare(ended, metric(metric_name)))
    if ended:
        varying_settings(ended, by)


def _slices(best: Sequence[RunSummary]) -> tuple[tuple[Slice, ...], tuple[SliceDifference, ...]]:
    """Look at parts of the test images: where the best model is weak, and where the next one differs from it."""
    recorded = best[0].read_predictions()
    if recorded is None:
        return (), ()
    other = best[1].read_predictions() if len(best) > 1 else None
    return slices(recorded), () if other is None else slice_differences(recorded, aligned(recorded, other))


def _placed(
    left_out: Sequence[RunSummary], usable: Sequence[RunSummary], settings: Sequence[Setting]
) -> tuple[RunSummary, ...]:
    """Return those runs without a score whose combination of settings is recorded."""
    recorded = {setting.name for setting in settings if all(setting.name in run.settings for run in usable)}
    return tuple(run for run in left_out if run.settings and recorded <= run.settings.keys())


def _of(row: Configuration, runs: Sequence[RunSummary]) -> list[RunSummary]:
    return [run for run in runs if all(value_of(run, name) == value for name, value in row.values.items())]


def _lost(
    without_score: Sequence[RunSummary],
    ranked: Sequence[Configuration],
    tried: Sequence[Setting],
    ended: Mapping[str, str],
    finished: frozenset[str],
) -> tuple[LostRow, ...]:
    """Return the combinations of which only runs without a score are there."""
    placed = {run.run_id for row in ranked for run in _of(row, without_score)}
    rows = configurations([run for run in without_score if run.run_id not in placed], tried)
    return tuple(LostRow(row.values, row.runs, counted(row.runs, ended, finished)) for row in rows)


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
    if has_diverged(run):
        return DIVERGED
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


def _ranked(
    rows: Sequence[Configuration], objective: Metric, diverged: Sequence[RunSummary]
) -> tuple[Configuration, ...]:
    """Best mean over seeds on validation first; a run that diverged counts like the worst one that finished."""
    worst = max(-objective.sign * run.metrics[objective.name] for row in rows for run in row.runs)

    def worse(row: Configuration) -> float:
        finished = [-objective.sign * value for value in row.by_seed(objective).values()]
        mean = np.mean([*finished, *[worst] * len(_of(row, diverged))])
        return float(f"{mean:.12g}")  # equal means are equal in whatever order they were added

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


def _row(
    configuration: Configuration,
    best_run: RunSummary,
    over_seeds: tuple[Difference | None, Difference | None],
    *,
    first: bool,
    models: Sequence[ModelDifference],
    single_reference: bool,
    objective: Metric | None,
    compared: Metric,
    learned: Container[str],
    endings: Endings,
) -> Row:
    that_learned = configuration.only(learned)
    counted_runs = that_learned if that_learned.runs else configuration
    score_all = _over_seeds(configuration, compared)
    return Row(
        configuration=configuration,
        seeds=score_all.n,
        objective=None if objective is None else _over_seeds(counted_runs, objective),
        score=_over_seeds(counted_runs, compared),
        means=_means(configuration.runs),
        best_run=best_run,
        over_seeds=over_seeds[0],
        standing=Standing.REFERENCE if first else _standing(over_seeds[0], configuration, models, single_reference),
        endings=endings,
        score_all=score_all,
        objective_all=None if objective is None else _over_seeds(configuration, objective),
        over_all_seeds=over_seeds[1],
    )


def _over_seeds(configuration: Configuration, metric: Metric) -> Estimate:
    return mean_interval(list(configuration.by_seed(metric).values()), low=metric.low, high=metric.high)


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
