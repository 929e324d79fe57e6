"""The learning curves of one run as SVG, the kept epoch marked."""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby

from cnnexp.records import EpochValues, History
from cnnexp.report import svg
from cnnexp.system.text import plural

MOST_POINTS = 400  # of a curve; of more epochs, evenly spaced ones are drawn, and the best
_DOTTED = 25  # up to this many epochs each has a dot
_LOGARITHMIC_FROM = 30.0  # largest loss over smallest, from which a linear axis hides the later epochs
_WIDTH, _HEIGHT, _LEFT, _RIGHT, _TOP, _BOTTOM = 520.0, 288.0, 56.0, 508.0, 34.0, 244.0  # pixels
_WORDS = 64.0  # pixels that "head alone" takes

Values = Sequence[tuple[int, float]]  # (epoch, value)


def curve_charts(history: History) -> list[str]:
    """Draw loss and accuracy of training and validation, and the learning rate where it changed."""
    epochs = _drawn(history)
    charts = [
        _chart("loss", history, _values(epochs, "train_loss"), _values(epochs, "val_loss"), log=True),
        _chart("accuracy", history, _values(epochs, "train_accuracy"), _values(epochs, "val_accuracy"), log=False),
    ]
    rate = _values(epochs, "learning_rate")
    if len({value for _, value in rate}) > 1:
        charts.append(_chart("learning rate", history, rate, (), log=True))
    return charts


def _drawn(history: History) -> list[EpochValues]:
    every = math.ceil(len(history.epochs) / MOST_POINTS)
    last = history.epochs[-1].epoch
    return [
        values for values in history.epochs if values.epoch in {history.best_epoch, last} or not values.epoch % every
    ]


def _values(epochs: Sequence[EpochValues], name: str) -> Values:
    return [(values.epoch, getattr(values, name)) for values in epochs]


def _chart(name: str, history: History, first: Values, second: Values, *, log: bool) -> str:
    known = [value for _, value in (*first, *second) if math.isfinite(value)]
    x = svg.Scale(1, max(history.epochs[-1].epoch, 2), _LEFT, _RIGHT)
    y = _scale(known, log=log)
    styles = ("first", "second") if second else ("plain",)
    parts = [
        *_axes(x, y),
        *_stages(x, history.head_epochs),
        *_best(x, history.best_epoch),
        svg.text(_LEFT, 16, f"{name} (log axis)" if y.log else name, class_="title"),
        *(part for values, style in zip((first, second), styles, strict=False) for part in _curve(values, style, x, y)),
    ]
    return svg.picture(_WIDTH, _HEIGHT, *parts, label=_label(name, history, first, second))


def _scale(known: Sequence[float], *, log: bool) -> svg.Scale:
    if log and known and min(known) > 0 and max(known) / min(known) >= _LOGARITHMIC_FROM:
        return svg.Scale(min(known), max(known), _BOTTOM, _TOP, log=True)
    return svg.Scale(*svg.padded(known), _BOTTOM, _TOP)


def _axes(x: svg.Scale, y: svg.Scale) -> Iterator[str]:
    for value in y.ticks():
        yield svg.line(_LEFT, y(value), _RIGHT, y(value), class_="grid")
        yield svg.text(_LEFT - 8, y(value) + 4, svg.number(value), text_anchor="end", class_="tick")
    for epoch in x.ticks():
        if epoch == round(epoch):
            yield svg.text(x(epoch), _BOTTOM + 18, svg.number(epoch), text_anchor="middle", class_="tick")
    yield svg.text(_RIGHT, _HEIGHT - 4, "epoch", text_anchor="end", class_="tick")


def _stages(x: svg.Scale, head_epochs: int) -> Iterator[str]:
    """Mark where training went on from the head alone to the network."""
    if head_epochs:
        at = x(head_epochs + 0.5)
        yield svg.line(at, _TOP, at, _BOTTOM, class_="grid")
        beside = at - 4 > _LEFT + _WORDS
        words, place, anchor = ("head alone", at - 4, "end") if beside else ("before: head alone", at + 4, "start")
        yield svg.text(place, _BOTTOM - 6, words, text_anchor=anchor, class_="tick")


def _best(x: svg.Scale, epoch: int) -> Iterator[str]:
    at = x(epoch)
    anchor = "end" if at > (_LEFT + _RIGHT) / 2 else "start"
    yield svg.line(at, _TOP - 4, at, _BOTTOM, class_="mark")
    yield svg.text(at, _TOP - 8, f"best epoch {epoch}", text_anchor=anchor, class_="tick")


def _curve(values: Values, style: str, x: svg.Scale, y: svg.Scale) -> Iterator[str]:
    """Draw a curve; values that are not finite leave a gap."""
    for finite, part in groupby(values, key=lambda point: math.isfinite(point[1])):
        if finite:
            points = [(x(epoch), y(value)) for epoch, value in part]
            yield svg.path(points, class_=style, stroke_width=2.0, stroke_linejoin="round")
            if len(values) <= _DOTTED:
                yield from (svg.element("circle", cx=at, cy=height, r=2.6, class_=style) for at, height in points)


def _label(name: str, history: History, first: Values, second: Values) -> str:
    """Say in words what the curve shows, for a reader who does not see it."""
    if not second:
        return f"{name} over {plural(len(history.epochs), 'epoch')}, from {first[0][1]:.3g} to {first[-1][1]:.3g}"
    best = history.epochs[history.best_epoch - 1]
    train, validation = ("train_loss", "val_loss") if name == "loss" else ("train_accuracy", "val_accuracy")
    return (
        f"{name} over {plural(len(history.epochs), 'epoch')}; in the best one, epoch {best.epoch}, "
        f"training {getattr(best, train):.3g} and validation {getattr(best, validation):.3g}"
    )
