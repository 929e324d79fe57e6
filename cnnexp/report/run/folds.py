"""The folds of a run: a line each, and what all of them together say."""

import math
import statistics

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from cnnexp.records import Evaluation, FoldsReport, FoldsSummary
from cnnexp.report.run.scores import print_scores
from cnnexp.report.table import Column, print_table
from cnnexp.system.text import plural

CAVEAT = (
    "The interval leaves out that folds share training images, so for a new data set of this size it is too short: see "
    "docs/folds.md."
)
HEADINGS = ("fold", "images", "accuracy", "macro F1", "log loss", "best epoch", "run")


def fold_rows(folds: FoldsReport) -> list[tuple[str, ...]]:
    """Return the cells of each fold under `HEADINGS`."""
    return [
        (
            str(score.fold),
            f"{score.images:,}",
            f"{score.accuracy:.3f}",
            f"{score.macro_f1:.3f}",
            f"{score.log_loss:.3f}",
            str(score.best_epoch),
            score.run_id[:12],
        )
        for score in folds.scores
    ]


def headline(evaluation: Evaluation, folds: FoldsReport) -> str:
    """Return the accuracy over all folds with its interval."""
    low, high = evaluation.intervals["accuracy"]
    images = plural(int(evaluation.confusion.sum()), "image")
    return (
        f"Accuracy {evaluation.metrics['accuracy']:.3f} on {images} in {len(folds.scores)} folds "
        f"(95 % interval {low:.3f} to {high:.3f})"
    )


def interval_sentence(evaluation: Evaluation, folds: FoldsReport) -> str:
    """Return how narrow the interval is, beside that of a single test split, by the root of the number of images."""
    low, high = evaluation.intervals["accuracy"]
    margin = 50 * (high - low)
    alone = margin * math.sqrt(int(evaluation.confusion.sum()) / folds.split_images)
    return (
        f"Every image is judged once, by a model that was not trained on it: ± {margin:.1f} points; a "
        f"single test split of {plural(folds.split_images, 'image')} would have about ± {alone:.1f}."
    )


def spread_sentence(folds: FoldsReport) -> str:
    """Return how far the folds differ, which is no measure of the interval."""
    accuracies = [score.accuracy for score in folds.scores]
    return (
        f"Folds: {min(accuracies):.3f} to {max(accuracies):.3f}, standard deviation "
        f"{statistics.stdev(accuracies):.3f}. {_final_model(folds.epochs)}"
    )


def _final_model(epochs: int | None) -> str:
    if epochs is None:
        return "The final model is the mean of the models of the folds."
    trained = plural(epochs, "epoch")
    return f"The final model is trained on all training images for {trained}, the median of the folds' best."


def declared_sentence(folds: FoldsReport) -> str | None:
    """Return the score of the final model on a declared test split; None: there is none."""
    if folds.declared is None:
        return None
    low, high = folds.declared.intervals["accuracy"]
    images = plural(int(folds.declared.confusion.sum()), "image")
    return (
        f"On the {images} of the declared test split, which no fold has seen, the final model has the accuracy "
        f"{folds.declared.metrics['accuracy']:.3f} (95 % interval {low:.3f} to {high:.3f})."
    )


def sentences(evaluation: Evaluation, folds: FoldsReport) -> list[str]:
    """Return what there is to say about the folds beside their table."""
    found = (interval_sentence(evaluation, folds), CAVEAT, spread_sentence(folds), declared_sentence(folds))
    return [sentence for sentence in found if sentence is not None]


def print_folds(console: Console, summary: FoldsSummary) -> None:
    """Print the score of each fold, and the scores over all of them."""
    folds, evaluation = summary.folds, summary.evaluation
    columns = [Column(heading, numeric=True) for heading in HEADINGS[:-1]] + [Column(HEADINGS[-1])]
    print_table(console, columns, [list(row) for row in fold_rows(folds)], indent=2)
    console.print()
    print_scores(console, evaluation, summary.metrics, title="all folds")
    for sentence in sentences(evaluation, folds):
        console.print(Padding(Text(sentence), (0, 2, 0, 2)))
    console.print()
