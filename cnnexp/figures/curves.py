"""How training went, epoch by epoch."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from cnnexp.figures.canvas import BLUE, INK, MUTED, ORANGE, RULE, SMALL_SIZE, TEXT_SIZE, heading, place, sheet
from cnnexp.records import History
from cnnexp.system.text import plural

WIDTH = 7.4  # inches
LEFT, ACROSS = 0.85, 5.5  # of the panels
LOGARITHMIC_FROM = 30.0  # largest loss over smallest, from which a linear axis hides the later epochs
PLAIN = FuncFormatter(lambda value, _: f"{value:g}")
FEW = 25  # up to this many epochs, each has a dot


def curves(history: History) -> Figure:
    """Loss, accuracy and learning rate over epochs under one another; the kept epoch is marked in all three.

    Values that are not finite leave a gap.
    """
    figure = sheet(WIDTH, 6.7)
    loss = place(figure, left=LEFT, bottom=3.85, width=ACROSS, height=1.95)
    accuracy = place(figure, left=LEFT, bottom=1.6, width=ACROSS, height=1.95)
    rate = place(figure, left=LEFT, bottom=0.55, width=ACROSS, height=0.85)
    epochs = [values.epoch for values in history.epochs]
    _pair(
        loss,
        epochs,
        train=[values.train_loss for values in history.epochs],
        validation=[values.val_loss for values in history.epochs],
    )
    _pair(
        accuracy,
        epochs,
        train=[values.train_accuracy for values in history.epochs],
        validation=[values.val_accuracy for values in history.epochs],
    )
    rate.plot(
        epochs,
        [values.learning_rate for values in history.epochs],
        color=INK,
        linewidth=1.4,
        marker=_marker(epochs),
        markersize=3.2,
    )
    rate.set_ylim(bottom=0)
    for axes, name in ((loss, "loss"), (accuracy, "accuracy"), (rate, "learning rate")):
        _finish(axes, name, history, last=axes is rate)
    _scale_loss(loss, history)
    _mark_best(loss, history)
    _explain(figure, history)
    return figure


def _pair(axes: Axes, epochs: Sequence[int], *, train: Sequence[float], validation: Sequence[float]) -> None:
    for values, colour, style in ((train, ORANGE, (0, (4, 1.5))), (validation, BLUE, "-")):
        shown = np.where(np.isfinite(values), values, np.nan)
        axes.plot(epochs, shown, color=colour, linestyle=style, linewidth=1.7, marker=_marker(epochs), markersize=3.2)
    _label_ends(axes, train[-1], validation[-1], x=epochs[-1])


def _marker(epochs: Sequence[int]) -> str:
    return "o" if len(epochs) <= FEW else ""


def _label_ends(axes: Axes, train: float, validation: float, *, x: int) -> None:
    """Write each curve's name at its end, the upper one a little higher, so that close ends stay readable."""
    above = 5 if train > validation else -5
    for value, name, colour, rise in (
        (train, "training", ORANGE, above),
        (validation, "validation", BLUE, -above),
    ):
        if np.isfinite(value):
            axes.annotate(
                f"{name} {value:.3g}",
                (x, value),
                (8, rise),
                textcoords="offset points",
                size=SMALL_SIZE,
                color=colour,
                va="center",
                annotation_clip=False,
            )


def _finish(axes: Axes, name: str, history: History, *, last: bool) -> None:
    axes.set_ylabel(name, size=TEXT_SIZE, color=INK)
    axes.yaxis.set_label_coords(-0.62 / ACROSS, 0.5)
    axes.grid(axis="y", color=RULE, linewidth=0.7)
    axes.margins(y=0.1)
    final = history.epochs[-1].epoch
    axes.set_xlim(1 - 0.02 * final, final + 0.02 * final) if final > 1 else axes.set_xlim(0.5, 1.5)
    if history.head_epochs:  # where training went on from the head alone to the network
        axes.axvline(history.head_epochs + 0.5, color=RULE, linewidth=1.4, zorder=0.4)
    axes.axvline(history.best_epoch, color=MUTED, linewidth=1, linestyle=(0, (2, 2)), zorder=0.5)
    if last:
        axes.set_xlabel("epoch", size=TEXT_SIZE, color=INK)
        axes.xaxis.set_major_locator(MaxNLocator(10, integer=True, min_n_ticks=1))
        axes.yaxis.set_major_locator(MaxNLocator(3))
        axes.yaxis.set_major_formatter(PLAIN)
    else:
        axes.xaxis.set_major_locator(NullLocator())


def _scale_loss(axes: Axes, history: History) -> None:
    values = np.array([(epoch.train_loss, epoch.val_loss) for epoch in history.epochs])
    values = values[np.isfinite(values)]
    if values.size and values.min() > 0 and values.max() / values.min() >= LOGARITHMIC_FROM:
        axes.set_yscale("log")
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.yaxis.set_major_formatter(PLAIN)
        axes.yaxis.set_minor_locator(NullLocator())
    else:
        axes.set_ylim(bottom=0)


def _mark_best(axes: Axes, history: History) -> None:
    axes.annotate(
        f"best epoch: {history.best_epoch}",
        (history.best_epoch, 1),
        (0, 5),
        xycoords=axes.get_xaxis_transform(),
        textcoords="offset points",
        size=SMALL_SIZE,
        color=MUTED,
        ha="center",
    )


def _explain(figure: Figure, history: History) -> None:
    stopped = ", stopped early" if history.stopped_early else ""
    head = f", the first {history.head_epochs} of the head alone" if history.head_epochs else ""
    heading(
        figure,
        "Training",
        f"{plural(len(history.epochs), 'epoch')}{head}{stopped}, {plural(history.steps, 'step')}. "
        "Training values are means while the weights moved, penalties included.",
    )
