"""A run in a few lines of Markdown: the verdict first, because the MLflow UI folds them after three."""

from collections.abc import Iterable

from cnnexp.records import RunPlan, RunResult


def of_plan(plan: RunPlan) -> str:
    """Describe what the run is going to do."""
    counts = ", ".join(f"{sum(per_class)} {split}" for split, per_class in plan.class_counts.items())
    return "\n\n".join(
        [
            f"**{plan.data_name}**: {len(plan.class_names)} classes ({counts}); {plan.parameters:,} weights, "
            f"rate {plan.learning_rate:g}, {plan.precision}, {plan.threads} threads.",
            *_bullets("Notes", plan.notes),
        ]
    )


def of_result(result: RunResult, *, notes: Iterable[str]) -> str:
    """Describe what came out: headline, findings, what it was, notes."""
    findings = [f"**{finding.title}**: {finding.sentence} → {finding.repair}" for finding in result.findings]
    return "\n\n".join(
        [
            _headline(result),
            *_bullets("Findings", findings),
            of_plan(result.plan),
            *_bullets("Notes of the result", [*result.notes, *result.evaluation.notes, *notes]),
        ]
    )


def _headline(result: RunResult) -> str:
    words = [f"best epoch {result.history.best_epoch} of {len(result.history.epochs)}"]
    if "test/accuracy" in result.metrics:
        interval = ""
        if "accuracy" in result.evaluation.intervals:
            interval = " ({:.3f} to {:.3f})".format(*result.evaluation.intervals["accuracy"])
        words.insert(0, f"**test accuracy {result.metrics['test/accuracy']:.3f}**{interval}")
    return ", ".join(words) + "."


def _bullets(title: str, lines: Iterable[str]) -> list[str]:
    bullets = "\n".join(f"- {line}" for line in lines)
    return [f"{title}:\n\n{bullets}"] if bullets else []
