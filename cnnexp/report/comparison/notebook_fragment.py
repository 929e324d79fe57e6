"""A comparison as the output of a notebook: a still page, because notebooks keep outputs and not scripts."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from cnnexp.comparison.metric import metric
from cnnexp.comparison.result import Comparison
from cnnexp.diagnosis import advised_by_siblings
from cnnexp.records import Finding, RunSummary
from cnnexp.report.comparison.advice import advice_sentences
from cnnexp.report.comparison.charts import COLORS, CURVE_ROWS, curves_chart, effects_chart, parallel_coordinates
from cnnexp.report.comparison.confusions import SideBySide, side_by_side
from cnnexp.report.comparison.table_cells import secondary_metrics, table
from cnnexp.report.comparison.thumbnails import Thumbnails
from cnnexp.report.comparison.train_again import TypedAgain, train_again
from cnnexp.report.comparison.verdict import verdict
from cnnexp.report.comparison.wording import (
    claims_text,
    effect_sentence,
    left_out_sentences,
    legend,
    model_label,
    model_sentence,
    row_label,
)
from cnnexp.report.pages import template

_CURVES = ("val/loss", "val/accuracy", "train/loss", "train/accuracy")
_PAIRS = 3  # the best model beside the next ones on validation
_RUNS_LISTED = 100


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A run's line under "runs"."""

    run: RunSummary
    label: str
    color: str | None  # of its curve; None: not drawn
    findings: tuple[Finding, ...]
    command: str


def fragment(comparison: Comparison, *, command: str, typed_again: TypedAgain | None = None) -> str:
    """The verdict, tables and still charts within the output of a notebook, which keeps no scripts."""
    charts = [curves_chart(comparison, name) for name in _CURVES]
    runs = _run_facts(comparison, typed_again)
    return template("comparison/fragment.html.j2").render(
        comparison=comparison,
        verdict=verdict(comparison),
        advice=advice_sentences(comparison),
        legend=legend(comparison),
        claims=claims_text(),
        left_out=left_out_sentences(comparison),
        table=table(comparison),
        command=command,
        coordinates=Markup(parallel_coordinates(comparison)),
        effects=Markup(effects_chart(comparison)),
        effect_sentences=[(effect, effect_sentence(effect, comparison.metric)) for effect in comparison.effects],
        curves=[Markup(chart) for chart in charts if chart],
        curve_labels=[(color, row_label(comparison, row)) for color, row in zip(COLORS, comparison.rows, strict=False)],
        curve_rows=CURVE_ROWS,
        model_sentences=[model_sentence(model, comparison) for model in comparison.models],
        pairs=_pairs(comparison),
        picture=Markup,
        thumbnail=Thumbnails(comparison.reference.best_run),
        secondary=_secondary(comparison),
        runs=runs[:_RUNS_LISTED],
        more_runs=max(0, len(runs) - _RUNS_LISTED),
        seconds=sum(facts.run.seconds or 0.0 for facts in runs),
        failed_seconds=sum(run.seconds or 0.0 for run, _ in comparison.left_out),
    )


def _pairs(comparison: Comparison) -> list[SideBySide]:
    """The best model beside the best of the next rows; of a single row, beside its other seeds."""
    if comparison.refusals:
        return []
    reference = comparison.reference.best_run
    others = [row.best_run for row in comparison.rows[1:]] or [
        run for run in comparison.reference.configuration.runs if run is not reference
    ]
    titles = [model_label(comparison, run) for run in (reference, *others[:_PAIRS])]
    drawn = [
        side_by_side(reference, run, titles=(titles[0], title)) for run, title in zip(others, titles[1:], strict=False)
    ]
    return [shown for shown in drawn if shown is not None]


def _secondary(comparison: Comparison) -> tuple[tuple[str, ...], list[tuple[str, tuple[str, ...]]]]:
    """Names of the other test metrics, and each row's label with its means."""
    names = secondary_metrics(comparison)
    lines = [(row_label(comparison, row), tuple(f"{row.means[name]:.4f}" for name in names)) for row in comparison.rows]
    return tuple(metric(name).short for name in names), lines


def _run_facts(comparison: Comparison, typed_again: TypedAgain | None) -> list[RunFacts]:
    runs = [run for row in comparison.rows for run in row.configuration.runs]
    return [
        RunFacts(
            run=run,
            label=row_label(comparison, row),
            color=COLORS[index] if index < CURVE_ROWS else None,
            findings=_findings(run, runs) if place < _RUNS_LISTED else (),
            command=train_again(comparison, run, typed_again),
        )
        for place, (index, row, run) in enumerate(
            (index, row, run) for index, row in enumerate(comparison.rows) for run in row.configuration.runs
        )
    ]


def _findings(run: RunSummary, runs: Sequence[RunSummary]) -> tuple[Finding, ...]:
    return tuple(advised_by_siblings(finding, run, runs) for finding in run.read_findings())
