"""A comparison as CSV and as Markdown."""

import csv
import io
from typing import Any

from cnnexp.comparison.design import seed_of
from cnnexp.comparison.result import Comparison, Row
from cnnexp.report.comparison.advice import advice_sentences
from cnnexp.report.comparison.json_document import difference_numbers, estimate_numbers
from cnnexp.report.comparison.table_cells import failed_learning, secondary_metrics, table
from cnnexp.report.comparison.verdict import verdict
from cnnexp.report.comparison.wording import effect_sentence, left_out_sentences, legend
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
            **estimate_numbers(row.score),
            "p": None if row.over_seeds is None else row.over_seeds.p,
            "p_adjusted": None if row.over_seeds is None else row.over_seeds.p_adjusted,
            "standing": row.standing.value,
            **_objective(comparison, row),
            **(
                {f"gain {key}": value for key, value in estimate_numbers(row.over_seeds.gain).items()}
                if row.over_seeds
                else {}
            ),
            **{name: row.means[name] for name in others},
            "seconds/train": row.means.get("seconds/train"),
            "failed_learning": failed_learning(row),
            "learned": row.endings.learned,
            "learned_nothing": row.endings.failures,
            "not_finished": sum(row.endings.not_finished.values()),
            **{f"of all runs {key}": value for key, value in estimate_numbers(row.score_all).items()},
            "seeds": " ".join(sorted({seed_of(run) for run in row.configuration.runs})),
            "runs": " ".join(run.run_id for run in row.configuration.runs),
        }
        for row in comparison.rows
    ]


def _objective(comparison: Comparison, row: Row) -> dict[str, float | int | None]:
    if comparison.objective is None or row.objective is None:
        return {}
    return {f"{comparison.objective.name} {key}": value for key, value in estimate_numbers(row.objective).items()}


def effect_lines(comparison: Comparison) -> list[dict[str, Any]]:
    """Return every number of each effect."""
    return [
        {
            "kind": "effect",
            effect.setting.name: effect.level,
            "against": f"{effect.setting.name}={effect.against}",
            "metric": comparison.metric.name,
            **difference_numbers(effect.difference),
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
            **difference_numbers(model.difference),
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
            **estimate_numbers(one.difference),
            "p": one.p,
            "p_adjusted": one.p_adjusted,
            "standing": "claimed" if one.is_claimed else "no difference shown",
            "runs": comparison.reference.best_run.run_id,
        }
        for one in comparison.slices
    ]


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
    parts.append("\n".join(f"- Caution: {markdown(warning)}" for warning in comparison.warnings))
    return "\n\n".join(part for part in parts if part) + "\n"


def _markdown_table(comparison: Comparison) -> str:
    cells = table(comparison)
    alignment = ("--:" if numeric else ":--" for numeric in cells.numeric)
    lines = [cells.header, tuple(alignment)]
    for index, row in enumerate(cells.rows[:_ROWS_IN_MARKDOWN]):
        texts = tuple(markdown(text) for text in row)
        lines.append(tuple(f"**{text}**" if text and index == 0 else text for text in texts))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
