"""A recorded run within the output of a notebook, and as a few lines of text in a prompt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

from markupsafe import Markup

from cnnexp.records import ClassScore, Evaluation, Finding, History
from cnnexp.report.matrix import confusion_matrix
from cnnexp.report.pages import template
from cnnexp.report.run.curves import curve_charts
from cnnexp.report.run.scores import metric_row, score_text, shown_metrics, taken_for, worst_first
from cnnexp.system.text import plural, printable

MOST_CLASSES = 15  # in the table; of more, those of the lowest F1
MOST_DRAWN = 40  # classes of a confusion matrix that is drawn


@dataclass(frozen=True, kw_only=True, slots=True)
class RunFacts:
    """What is shown of a run."""

    run_id: str
    name: str
    status: str  # as MLflow has it, or pruned
    failure: str  # why it failed, where that is recorded
    metrics: Mapping[str, float]
    evaluation: Evaluation | None  # None: it was not evaluated
    history: History | None  # None: no epoch has ended
    findings: Sequence[Finding]
    page: str | None  # file or address


def headline(facts: RunFacts) -> str:
    """Return the result in one line."""
    evaluation = facts.evaluation
    if evaluation is None or "accuracy" not in evaluation.metrics:
        reason = f": {facts.failure}" if facts.failure else ""
        return f"{facts.status.lower()}, not evaluated{reason}"
    images = plural(int(evaluation.confusion.sum()), "test image")
    low, high = evaluation.intervals["accuracy"]
    return f"accuracy {evaluation.metrics['accuracy']:.3f} on {images} (95 % interval {low:.3f} to {high:.3f})"


def course(facts: RunFacts) -> str:
    """Return in one line how the training went; empty where no epoch has ended."""
    if facts.history is None:
        return ""
    epochs, kept = facts.history.epochs, facts.history.best_epoch
    best = next(values for values in epochs if values.epoch == kept)
    stopped = ", stopped early" if facts.history.stopped_early else ""
    return (
        f"best epoch {kept} of {len(epochs)}{stopped}, validation loss {best.val_loss:.4f}, "
        f"accuracy {best.val_accuracy:.3f}"
    )


def headline_text(facts: RunFacts) -> str:
    """Return the result, and where an epoch has ended how the training went, in a line each."""
    lines = (f"{facts.name}: {headline(facts)}", course(facts))
    return "\n".join(printable(line) for line in lines if line)


def summary_text(facts: RunFacts) -> str:
    """Return a few lines for a prompt: result, training, findings with their repair, and where it is."""
    lines = [f"{finding.title}: {finding.sentence} -> {finding.repair}" for finding in facts.findings]
    lines.append(f"run {facts.run_id[:12]}" + ("" if facts.page is None else f", page {facts.page}"))
    return "\n".join([headline_text(facts), *map(printable, lines)])


def fragment(facts: RunFacts) -> str:
    """Return scores, curves, confusion matrix and findings as HTML; every name in it is escaped."""
    evaluation = facts.evaluation
    names = [] if evaluation is None else [score.name for score in evaluation.per_class]
    return template("run/fragment.html.j2").render(
        facts=facts,
        headline=headline(facts),
        course=course(facts),
        metrics=[]
        if evaluation is None
        else [metric_row(name, evaluation, facts.metrics) for name in chain(*shown_metrics(evaluation))],
        classes=[] if evaluation is None else _classes(evaluation),
        more_classes=max(0, len(names) - MOST_CLASSES),
        charts=[] if facts.history is None else [Markup(chart) for chart in curve_charts(facts.history)],
        matrix=None
        if evaluation is None or len(names) > MOST_DRAWN
        else Markup(confusion_matrix(evaluation.confusion, names, "test images")),
    )


def _classes(evaluation: Evaluation) -> list[tuple[ClassScore, tuple[str, str, str], str]]:
    scores = evaluation.per_class
    shown = range(len(scores)) if len(scores) <= MOST_CLASSES else worst_first(scores)[:MOST_CLASSES]
    return [(scores[i], _three(scores[i]), taken_for(evaluation, i)) for i in shown]


def _three(score: ClassScore) -> tuple[str, str, str]:
    return score_text(score.precision), score_text(score.recall), score_text(score.f1)
