"""One run as an HTML page that opens from disk and in MLflow, without network and without scripts.

Every run writes it, also in a sweep, so nobody has to ask for the page of the one run that turns out to matter. The
images are chosen from what the evaluation has computed, some 70 small pictures are encoded, and the template is
compiled before a sweep forks its workers: about a hundredth of the CPU time of the smallest runs, by
``benchmarks/run_page.py``.
"""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from cnnexp.records import ClassScore, Gallery, PredictedImage, RunCommand, RunResult
from cnnexp.report.kinds import grid, kinds_alone
from cnnexp.report.learning_rate import rate_chart
from cnnexp.report.matrix import confusion_matrix
from cnnexp.report.pages import picture, template, tiled
from cnnexp.report.run import folds
from cnnexp.report.run.curves import curve_charts
from cnnexp.report.run.findings import relations, remarks
from cnnexp.report.run.header import header_rows
from cnnexp.report.run.scores import metric_row, score_text, shown_metrics, taken_for, worst_first
from cnnexp.system.secrets import masked
from cnnexp.system.text import plural

if TYPE_CHECKING:
    from jinja2 import Template

MOST_CLASSES = 100  # in the table; of more, those of the lowest F1
_MOST_DRAWN = 40  # classes of a confusion matrix with a cell that can be pointed at; of more it is a picture
_SIDE = 128  # pixels of an image, as the style shows it at most
_STRIP = 48  # pixels of the images in a strip
_KIND = 320  # pixels of a picture of several images after one kind of change, as the style shows it at most
_BLUE, _ORANGE = (0, 114, 178), (213, 94, 0)  # of the diagonal, of the mistakes


@dataclass(frozen=True, slots=True)
class ClassRow:
    """A class in the table of scores."""

    name: str
    images: int
    scores: tuple[str, str, str]  # precision, recall, F1
    taken_for: str


@dataclass(frozen=True, slots=True)
class Strip:
    """Training images of one class beside each other, in one picture."""

    name: str
    source: str  # data URI
    files: str
    images: int


def load_template() -> "Template":
    """Return the template of the page, compiled once a process."""
    return template("run/page.html.j2")


def run_page(result: RunResult, command: RunCommand) -> str:
    """Return the whole page as HTML; every name in it is escaped."""
    evaluation, report = result.evaluation, result.data_report
    issues = {issue.sentence for issue in report.issues}
    names = result.info.class_names
    return load_template().render(
        result=result,
        info=result.info,
        names=names,
        headline=_headline(result),
        summary=_summary(result),
        facts=[(label, str(text)) for label, text in header_rows(result.info, result.settings, columns=True)],
        command=command,
        relations=relations,
        issues=remarks(report.issues, result.findings),
        repeat=shlex.join(["cnnexp", *command.flags, *command.overrides]),
        check_data=_check_data(command),
        store=masked(str(result.settings["tracking"]["uri"])),
        notes=[note for note in (*result.notes, *evaluation.notes) if note not in issues],
        metrics=[[metric_row(name, evaluation, result.metrics) for name in part] for part in shown_metrics(evaluation)],
        classes=class_rows(result),
        more_classes=max(0, len(names) - MOST_CLASSES),
        charts=[Markup(chart) for chart in curve_charts(result.history)],
        rate_chart=None if result.info.found is None else Markup(rate_chart(result.info.found.curve)),
        matrix=Markup(confusion_matrix(evaluation.confusion, names, "images")) if len(names) <= _MOST_DRAWN else None,
        matrix_picture=None if len(names) <= _MOST_DRAWN else picture(matrix_pixels(evaluation.confusion)),
        image_source=_image_source,
        probability=probability_text,
        strips=strips(result.gallery, names),
        kinds=kinds_alone(result.gallery.kinds, side=_KIND),
        plain=grid(result.gallery.kinds.plain[None], _KIND),
        judged="test image" if result.folds is None else "judged image",
        fold_headings=folds.HEADINGS,
        fold_rows=[] if result.folds is None else folds.fold_rows(result.folds),
        fold_sentences=[] if result.folds is None else folds.sentences(result.evaluation, result.folds),
    )


def probability_text(value: float) -> str:
    """Return a probability as a percentage that is never rounded to certainty."""
    if 0.9995 <= value < 1:
        return "> 99.9 %"
    return "< 0.1 %" if 0 < value < 0.0005 else f"{100 * value:.1f} %"


def class_rows(result: RunResult) -> list[ClassRow]:
    """Return the rows of the classes in their order; of very many, those of the lowest F1, the lowest first."""
    scores = result.evaluation.per_class
    shown = range(len(scores)) if len(scores) <= MOST_CLASSES else worst_first(scores)[:MOST_CLASSES]
    return [
        ClassRow(scores[i].name, scores[i].support, _three(scores[i]), taken_for(result.evaluation, i)) for i in shown
    ]


def _three(score: ClassScore) -> tuple[str, str, str]:
    return score_text(score.precision), score_text(score.recall), score_text(score.f1)


def matrix_pixels(counts: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Return a confusion matrix as a picture (K, K, 4): right answers blue, mistakes orange, by share of the row."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    pixels = np.zeros((*counts.shape, 4), np.uint8)
    pixels[..., :3] = _ORANGE
    pixels[np.eye(len(counts), dtype=bool), :3] = _BLUE
    pixels[..., 3] = np.where(counts > 0, 60 + 195 * np.sqrt(shares), 0)
    return pixels


def strips(gallery: Gallery, names: Sequence[str]) -> list[Strip]:
    """Return a strip for each class whose training images are shown."""
    labels = sorted(set(gallery.seen_labels.tolist()))
    return [_strip(gallery, np.flatnonzero(gallery.seen_labels == label), names[label]) for label in labels]


def _strip(gallery: Gallery, places: NDArray[np.int64], name: str) -> Strip:
    files = ", ".join(gallery.seen_files[place] for place in places.tolist())
    return Strip(name, picture(tiled(gallery.seen[places][None]), side=_STRIP * len(places)), files, len(places))


def _image_source(image: PredictedImage) -> str:
    return picture(np.asarray(image.pixels), side=_SIDE)


def _headline(result: RunResult) -> str:
    if result.folds is not None:
        return folds.headline(result.evaluation, result.folds)
    value = result.evaluation.metrics["accuracy"]
    low, high = result.evaluation.intervals["accuracy"]
    images = plural(int(result.evaluation.confusion.sum()), "test image")
    return f"Accuracy {value:.3f} on {images} (95 % interval {low:.3f} to {high:.3f})"


def _summary(result: RunResult) -> str:
    history = result.history
    best = history.epochs[history.best_epoch - 1]
    epoch = f"Best epoch {history.best_epoch} of {len(history.epochs)}{', stopped early' * history.stopped_early}"
    if result.folds is not None:
        epoch = f"Median of the folds' best epochs {history.best_epoch}, their means"
    found = plural(len(result.findings), "finding") if result.findings else "no finding"
    issues = remarks(result.data_report.issues, result.findings)
    warnings = plural(len(issues), "data warning") if issues else "no data warning"
    return (
        f"{epoch}: validation loss {best.val_loss:.4f}, "
        f"accuracy {best.val_accuracy:.3f}. {found.capitalize()}, {warnings}."
    )


def _check_data(command: RunCommand) -> str:
    """Return the command that shows the images of the data warnings."""
    data = [override for override in command.overrides if override.startswith(("data=", "data."))]
    return shlex.join(["cnnexp", "check-data", *command.flags, *data, "--html", "data.html"])
