"""A comparison as CSV, JSON and Markdown."""

import csv
import dataclasses
import io
import json
from typing import Any

from cnnexp.comparison.design import seed_of
from cnnexp.comparison.endings import Endings
from cnnexp.comparison.paired import Estimate
from cnnexp.comparison.result import Comparison, Difference, Effect, FoldDifference, Row, Share
from cnnexp.report.comparison.headline import failure_words, interaction_words
from cnnexp.report.comparison.table_cells import failed_learning, secondary_metrics, table
from cnnexp.report.comparison.verdict import verdict
from cnnexp.report.comparison.wording import advice_sentences, effect_sentence, left_out_sentences, legend
from cnnexp.system.text import markdown, plural, spreadsheet_cell

_ROWS_IN_MARKDOWN = 50
_RESULT_COLUMNS = ("n", "mean", "low", "high", "p", "p_adjusted", "standing")


def csv_text(comparison: Comparison) -> str:
    """Every number of the comparison, one line each: first the configurations, then the effects.

    Columns: kind (configuration | effect | model | importance | slice), the settings that differ, against (what an
    effect or a model is compared with, the setting whose importance it is, or the part of the images), metric, n, mean,
    low, high, p, p_adjusted, standing, then for configurations the validation objective, the gain on the best, how many
    runs learned, the score of all runs that finished and the means of the other test metrics. Shares are 0..1,
    differences positive when better.
    """
    lines = [
        *configuration_lines(comparison),
        *effect_lines(comparison),
        *model_lines(comparison),
        *importance_lines(comparison),
        *slice_lines(comparison),
    ]
    header = list(dict.fromkeys(name for line in lines for name in line))
    text = io.StringIO()
    writer = csv.DictWriter(text, header, lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: spreadsheet_cell(value) for name, value in line.items()} for line in lines)
    return text.getvalue()


def configuration_lines(comparison: Comparison) -> list[dict[str, Any]]:
    """Return every number of each configuration."""
    others = secondary_metrics(comparison)
    return [
        {
            "kind": "configuration",
            **row.configuration.values,
            "against": "",
            "metric": comparison.metric.name,
            **_estimate(row.score),
            "p": None if row.over_seeds is None else row.over_seeds.p,
            "p_adjusted": None if row.over_seeds is None else row.over_seeds.p_adjusted,
            "standing": row.standing.value,
            **_objective(comparison, row),
            **(
                {f"gain {key}": value for key, value in _estimate(row.over_seeds.gain).items()}
                if row.over_seeds
                else {}
            ),
            **{name: row.means[name] for name in others},
            "seconds/train": row.means.get("seconds/train"),
            "failed_learning": failed_learning(row),
            "learned": row.endings.learned,
            "learned_nothing": row.endings.failures,
            "not_finished": sum(row.endings.not_finished.values()),
            **{f"of all runs {key}": value for key, value in _estimate(row.score_all).items()},
            "seeds": " ".join(sorted({seed_of(run) for run in row.configuration.runs})),
            "runs": " ".join(run.run_id for run in row.configuration.runs),
        }
        for row in comparison.rows
    ]


def _objective(comparison: Comparison, row: Row) -> dict[str, float | int | None]:
    if comparison.objective is None or row.objective is None:
        return {}
    return {f"{comparison.objective.name} {key}": value for key, value in _estimate(row.objective).items()}


def effect_lines(comparison: Comparison) -> list[dict[str, Any]]:
    """Return every number of each effect."""
    return [
        {
            "kind": "effect",
            effect.setting.name: effect.level,
            "against": f"{effect.setting.name}={effect.against}",
            "metric": comparison.metric.name,
            **_difference(effect.difference),
        }
        for effect in comparison.effects
    ]


def model_lines(comparison: Comparison) -> list[dict[str, Any]]:
    """Return every number of each model that was compared with the reference's."""
    reference = comparison.reference.best_run.run_id
    return [
        {
            "kind": "model",
            **{name: model.run.settings.get(name) for name in comparison.reference.configuration.values},
            "against": reference,
            "metric": comparison.metric.name,
            **_difference(model.difference),
            "runs": model.run.run_id,
        }
        for model in comparison.models
    ]


def importance_lines(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the share of the variance that each setting explains, 0..1."""
    return [
        {
            "kind": "importance",
            "against": one.setting.name,
            "metric": comparison.metric.name,
            "mean": one.share.value,
            "low": one.share.low,
            "high": one.share.high,
            "p": one.share.p,
            "p_adjusted": one.share.p_adjusted,
            "standing": "told from zero" if one.share.told_from_zero else "cannot be told from zero",
        }
        for one in comparison.importance
    ]


def slice_lines(comparison: Comparison) -> list[dict[str, Any]]:
    """Return the accuracy of the best model in each part of the test images, minus that outside of it."""
    return [
        {
            "kind": "slice",
            "against": one.label,
            "metric": "test/accuracy",
            **_estimate(one.difference),
            "p": one.p,
            "p_adjusted": one.p_adjusted,
            "standing": "claimed" if one.is_claimed else "no difference shown",
            "runs": comparison.reference.best_run.run_id,
        }
        for one in comparison.slices
    ]


def _estimate(estimate: Estimate) -> dict[str, float | int | None]:
    return {"n": estimate.n, "mean": estimate.mean, "low": estimate.low, "high": estimate.high}


def _difference(difference: Difference) -> dict[str, Any]:
    return {
        **_estimate(difference.gain),
        "p": difference.p,
        "p_adjusted": difference.p_adjusted,
        "standing": difference.standing.value,
        "basis": difference.basis,
    }


def json_text(comparison: Comparison) -> str:
    """The whole comparison as JSON; differences are positive when better, unknown numbers null."""
    content = {
        "verdict": verdict(comparison),
        "metric": comparison.metric.name,
        "objective": None if comparison.objective is None else comparison.objective.name,
        "settings": [
            {"name": s.name, "levels": s.levels, "moves_with": s.confounded_with} for s in comparison.settings
        ],
        "rows": [_row(row) for row in comparison.rows],
        "effects": [_effect(effect, comparison) for effect in comparison.effects],
        "models": {
            "test": comparison.model_test,
            "reference": comparison.reference.best_run.run_id,
            "differences": [
                {
                    "run": model.run.run_id,
                    **_difference(model.difference),
                    "only_this_right": model.only_this_right,
                    "only_reference_right": model.only_reference_right,
                    **_by_fold(model.by_fold),
                }
                for model in comparison.models
            ],
        },
        "endings": _endings(comparison.endings),
        "lost": [
            {"settings": one.values, "runs": [run.run_id for run in one.runs], "endings": _endings(one.endings)}
            for one in comparison.lost
        ],
        "failures": {
            "by_level": [
                {
                    "setting": one.setting.name,
                    "level": one.level,
                    "endings": _endings(one.endings),
                    "others": _endings(one.others),
                    "p": one.p,
                }
                for one in comparison.by_level
            ],
            "interactions": [
                {
                    "setting": one.setting.name,
                    "level": one.level,
                    "other": one.other.name,
                    "fails_with": {level: _endings(cell) for level, cell in one.fails_with.items()},
                    "not_with": {level: _endings(cell) for level, cell in one.not_with.items()},
                    "p": one.p,
                    "sentence": failure_words(one),
                }
                for one in comparison.failure_interactions
            ],
        },
        "importance": [
            {"setting": one.setting.name, "share": _share(one.share), "learned": one.learned and _share(one.learned)}
            for one in comparison.importance
        ],
        "interactions": [
            {
                "setting": one.setting.name,
                "level": one.level,
                "against": one.against,
                "other": one.other.name,
                "other_level": one.other_level,
                "other_against": one.other_against,
                "gain_with": one.gain_with,
                "gain_without": one.gain_without,
                **_difference(one.difference),
                "sentence": interaction_words(one, comparison.metric),
            }
            for one in comparison.score_interactions
        ],
        "slices": {
            "run": comparison.reference.best_run.run_id,
            "parts": [
                {
                    "property": one.by,
                    "label": one.label,
                    "images": one.images,
                    "accuracy": one.accuracy,
                    "other_images": one.other_images,
                    "other_accuracy": one.other_accuracy,
                    "low": one.difference.low,
                    "high": one.difference.high,
                    "p": one.p,
                    "p_adjusted": one.p_adjusted,
                }
                for one in comparison.slices
            ],
            "differences": [
                {
                    "property": one.by,
                    "label": one.label,
                    "images": one.images,
                    "accuracy": one.accuracy,
                    "reference_accuracy": one.reference_accuracy,
                    **_estimate(one.gain),
                    "p": one.p,
                    "p_adjusted": one.p_adjusted,
                }
                for one in comparison.slice_differences
            ],
        },
        "left_out": [{"run": run.run_id, "name": run.name, "reason": reason} for run, reason in comparison.left_out],
        **_if_any("advice", advice_sentences(comparison)),
        "refusals": comparison.refusals,
        "warnings": comparison.warnings,
    }
    return json.dumps(content, indent=2, ensure_ascii=False)


def _by_fold(found: FoldDifference | None) -> dict[str, Any]:
    if found is None:
        return {}
    return {"by_fold": {**_estimate(found.gain), "p": found.p, "better_in": found.better_in}}


def _endings(endings: Endings) -> dict[str, Any]:
    return {
        "learned": endings.learned,
        "learned_nothing": endings.learned_nothing,
        "not_finished": endings.not_finished,
    }


def _share(share: Share) -> dict[str, Any]:
    return {**dataclasses.asdict(share), "told_from_zero": share.told_from_zero}


def _if_any(name: str, value: object) -> dict[str, Any]:
    """Return a key of the JSON document that is there only where it says something."""
    return {name: value} if value else {}


def _row(row: Row) -> dict[str, Any]:
    return {
        "settings": row.configuration.values,
        "runs": [run.run_id for run in row.configuration.runs],
        "seeds": row.seeds,
        "standing": row.standing.value,
        "objective": None if row.objective is None else _estimate(row.objective),
        "score": _estimate(row.score),
        "score_of_all_runs": _estimate(row.score_all),
        "gain": None if row.over_seeds is None else _difference(row.over_seeds),
        **_if_any("gain_of_all_runs", row.over_all_seeds and _difference(row.over_all_seeds)),
        "endings": _endings(row.endings),
        "means": row.means,
        **_if_any("failed_learning", failed_learning(row)),
    }


def _effect(effect: Effect, comparison: Comparison) -> dict[str, Any]:
    return {
        "setting": effect.setting.name,
        "level": effect.level,
        "against": effect.against,
        **_difference(effect.difference),
        "blocks": effect.blocks,
        "reversed_in": effect.reversed_in,
        **_if_any("of_all_runs", effect.all_runs and _difference(effect.all_runs)),
        "sentence": effect_sentence(effect, comparison.metric),
    }


def markdown_text(comparison: Comparison) -> str:
    """Verdict first, then the table: what MLflow shows of a run's description before it is unfolded."""
    answer, *rest = verdict(comparison)
    parts = [f"**{markdown(answer)}**", "\n".join(markdown(sentence) for sentence in rest), _markdown_table(comparison)]
    if len(comparison.rows) > _ROWS_IN_MARKDOWN:
        parts.append(f"and {plural(len(comparison.rows) - _ROWS_IN_MARKDOWN, 'more row')}")
    parts.append(f"_{legend(comparison)}_")
    parts.append("\n".join(f"- {markdown(effect_sentence(e, comparison.metric))}" for e in comparison.effects))
    parts.append("\n".join(f"- {markdown(sentence)}" for sentence in left_out_sentences(comparison)))
    parts.append("\n".join(f"- Advice: {markdown(sentence)}" for sentence in advice_sentences(comparison)))
    parts.append("\n".join(f"- Mind: {markdown(warning)}" for warning in comparison.warnings))
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown_table(comparison: Comparison) -> str:
    cells = table(comparison)
    alignment = ("--:" if numeric else ":--" for numeric in cells.numeric)
    lines = [cells.header, tuple(alignment)]
    for index, row in enumerate(cells.rows[:_ROWS_IN_MARKDOWN]):
        texts = tuple(markdown(text) for text in row)
        lines.append(tuple(f"**{text}**" if text and index == 0 else text for text in texts))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
