"""Scores on the test split: overall with intervals, and class by class."""

from collections.abc import Mapping, Sequence
from itertools import chain, zip_longest

import numpy as np
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cnnexp.records import ClassScore, Evaluation, History
from cnnexp.system.text import plural, printable

MOST_ROWS = 15  # classes; of more, the worst are shown
TWO_BLOCKS = 78  # columns of the terminal from which metrics stand in two blocks, and classes have a last column
NAMES = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced accuracy",
    "macro_precision": "macro precision",
    "macro_recall": "macro recall",
    "macro_f1": "macro F1",
    "weighted_f1": "weighted F1",
    "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC",
    "log_loss": "log loss",
    "brier": "Brier score",
    "ece": "ECE",
    "ece_uncalibrated": " uncalibrated",
}
DECIDED = ("sensitivity", "specificity", "precision")  # of the class that a decision is about
ABOUT_PROBABILITIES = 6  # the last ones of NAMES
UNDEFINED = "–"


def print_training(console: Console, history: History) -> None:
    """One line on how training ended: which epoch is kept, and why it is not the last."""
    best = next(values for values in history.epochs if values.epoch == history.best_epoch)
    stopped = ", stopped early" if history.stopped_early else ""
    text = (
        f"best epoch {history.best_epoch} of {len(history.epochs)}{stopped}, val loss {best.val_loss:.4f}, "
        f"accuracy {best.val_accuracy:.3f} ({plural(history.steps, 'step')}, {history.seconds:.1f} s)"
    )
    console.print(Padding.indent(Text(text, style="label"), 2))
    console.print()


def print_scores(
    console: Console, evaluation: Evaluation, metrics: Mapping[str, float], *, title: str = "test split"
) -> None:
    """Print the tables of an evaluation; `metrics` are the run's, by their recorded names."""
    console.print(Text.assemble((title, "title"), f", {plural(int(evaluation.confusion.sum()), 'image')}"))
    console.print(Padding.indent(_overall(evaluation, metrics, blocks=2 if console.width >= TWO_BLOCKS else 1), 2))
    console.print()
    console.print(Padding.indent(_per_class(evaluation, mistakes=console.width >= TWO_BLOCKS), 2))
    for note in evaluation.notes:
        console.print(Padding.indent(Text(f"note: {printable(note)}", style="attention"), 2))
    console.print()


def _overall(evaluation: Evaluation, metrics: Mapping[str, float], *, blocks: int) -> Table:
    """In two blocks, what was answered stands on the left, how good the probabilities were on the right."""
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="label")
    for _ in range(blocks):
        table.add_column("", no_wrap=True)
        table.add_column("value", justify="right")
        table.add_column("95 % interval")
    parts = [[metric_cells(name, evaluation, metrics) for name in part] for part in shown_metrics(evaluation)]
    for row in zip_longest(*(parts if blocks == len(parts) else [chain(*parts)]), fillvalue=("", "", "")):
        table.add_row(*chain.from_iterable(row))
    return table


def shown_metrics(evaluation: Evaluation) -> tuple[list[str], list[str]]:
    """Return the names of the metrics that are shown: what was answered, and how good the probabilities are."""
    names = list(NAMES)
    decided = [name for name in DECIDED if name in evaluation.metrics]
    return [*names[:-ABOUT_PROBABILITIES], *decided], names[-ABOUT_PROBABILITIES:]


def metric_cells(name: str, evaluation: Evaluation, metrics: Mapping[str, float]) -> tuple[str, str, str]:
    """Return label, value and interval of a metric."""
    known = evaluation.metrics.get(name, metrics.get(f"test/{name}"))  # uncalibrated is a number of the run
    value = UNDEFINED if known is None else f"{known:.3f}"
    label = name if name in DECIDED else NAMES[name]
    if name not in evaluation.intervals:
        return label, value, ""
    low, high = evaluation.intervals[name]
    return label, value, f"{low:.3f}–{high:.3f}"


def metric_row(name: str, evaluation: Evaluation, metrics: Mapping[str, float]) -> tuple[str, str, str]:
    """Return the same for a page, whose rows stand alone: a label that is indented below another one is completed."""
    label, value, interval = metric_cells(name, evaluation, metrics)
    return (f"ECE{label}" if label.startswith(" ") else label), value, interval


def _per_class(evaluation: Evaluation, *, mistakes: bool) -> Table:
    scores = evaluation.per_class
    shown, rest = list(range(len(scores))), ""
    if len(scores) > MOST_ROWS:
        order = worst_first(scores)
        shown, rest = order[:MOST_ROWS], _rest([scores[index] for index in order[MOST_ROWS:]])
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="label")
    table.caption, table.caption_justify, table.caption_style = rest or None, "left", "muted"
    table.add_column("worst classes" if rest else "class", max_width=26, overflow="fold")
    for heading in ("precision", "recall", "F1", "images"):
        table.add_column(heading, justify="right", no_wrap=True)
    if mistakes:
        table.add_column("most often taken for", max_width=24, overflow="fold")
    for index in shown:
        score = scores[index]
        numbers = (score_text(score.precision), score_text(score.recall), score_text(score.f1), f"{score.support:,}")
        table.add_row(printable(score.name), *numbers, *([taken_for(evaluation, index)] if mistakes else []))
    return table


def worst_first(scores: Sequence[ClassScore]) -> list[int]:
    """Return the indices of classes by F1, the lowest first and those without one last."""
    return sorted(range(len(scores)), key=lambda index: 2.0 if (f1 := scores[index].f1) is None else f1)


def _rest(better: list[ClassScore]) -> str:
    known = [score.f1 for score in better if score.f1 is not None]
    span = f", F1 from {min(known):.3f} to {max(known):.3f}" if known else ""
    return f"{plural(len(better), 'more class')}{span}: see classification_report.json"


def score_text(value: float | None) -> str:
    """Return a score of a class; a dash where it is undefined."""
    return UNDEFINED if value is None else f"{value:.3f}"


def taken_for(evaluation: Evaluation, index: int) -> str:
    """Return the class that a class is most often taken for, and how often; empty where it never is."""
    mistakes = evaluation.confusion[index].copy()
    mistakes[index] = 0
    other = int(np.argmax(mistakes))
    return f"{printable(evaluation.per_class[other].name)} ({mistakes[other]:,})" if mistakes[other] else ""
