"""The charts of a comparison as SVG: parallel coordinates, effects, learning curves."""

import math
from collections.abc import Sequence

from cnnexp.comparison.design import Setting
from cnnexp.comparison.metric import Metric
from cnnexp.comparison.result import Comparison, Effect, Row, Standing
from cnnexp.records import Curves
from cnnexp.report.comparison.wording import effect_sentence, gain_text, row_label, short_names, unit_text
from cnnexp.report.svg import Scale, element, line, number, padded, path, picture, text, tooltip

# Okabe & Ito's colours, distinguishable with red-green colour blindness too
COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7f7f7f", "#8c564b")
_STANDING_COLORS = {
    Standing.BETTER: "#00795c",
    Standing.WORSE: "#b3261e",
    Standing.ALIKE: "#6b7280",
    Standing.UNTESTED: "#9ca3af",
    Standing.REFERENCE: "#0072b2",
}
_MOST_LINES = 200  # in parallel coordinates; the best on validation are drawn
_DIVERGED = 1000  # times the smallest value
CURVE_ROWS = 8  # as many as there are colours


def parallel_coordinates(comparison: Comparison) -> str:
    """An axis for each setting, what came out beside them, a line for each row."""
    if not comparison.settings:
        return ""
    rows = comparison.rows[:_MOST_LINES]
    width, height, top, bottom = 1060.0, 360.0, 50.0, 330.0
    names = [setting.name for setting in comparison.settings]
    short = short_names(names)
    results = _results(comparison)
    titles = [short[name] for name in names] + [metric.name for metric, _ in results]
    xs = [90 + index * (width - 200) / (len(titles) - 1) for index in range(len(titles))]
    axes = [_axis(setting, rows, bottom, top) for setting in comparison.settings]
    axes += [_number_axis(values[: len(rows)], metric.sign, bottom, top) for metric, values in results]
    drawn_axes = [
        _axis_drawing(x, title, ticks, top, bottom) for x, title, (ticks, _) in zip(xs, titles, axes, strict=True)
    ]
    parts: list[str] = []
    for index, row in reversed(list(enumerate(rows))):
        values: list[str | float] = [*row.configuration.values.values(), *(means[index] for _, means in results)]
        points = [(x, places[value]) for x, (_, places), value in zip(xs, axes, values, strict=True)]
        parts.append(_row_line(comparison, row, points, first=index == 0))
    return picture(width, height, *parts, *drawn_axes, label="Parallel coordinates of settings and results")


def _results(comparison: Comparison) -> list[tuple[Metric, list[float]]]:
    """What came out, with each row's mean: the validation number, where there is one, and the compared metric."""
    scores = (comparison.metric, [row.score.mean for row in comparison.rows])
    if comparison.objective is None:
        return [scores]
    found = [row.objective.mean for row in comparison.rows if row.objective is not None]
    return [(comparison.objective, found), scores]


_Ticks = list[tuple[float, str]]
_Places = dict[str | float, float]


def _axis(setting: Setting, rows: Sequence[Row], bottom: float, top: float) -> tuple[_Ticks, _Places]:
    levels = setting.levels
    if not setting.is_numeric:
        places: _Places = {level: _spread(index, len(levels), bottom, top) for index, level in enumerate(levels)}
        return [(place, setting.text(str(level))) for level, place in places.items()], places
    values = [float(level) for level in levels]
    scale = Scale(min(values), max(values), bottom, top, log=_spans_decades(values))
    few = len(levels) <= 8
    ticks = (
        [(scale(v), setting.text(level)) for v, level in zip(values, levels, strict=True)]
        if few
        else _scale_ticks(scale)
    )
    return ticks, {level: scale(float(level)) for level in levels}


def _spread(index: int, count: int, bottom: float, top: float) -> float:
    return bottom + (index + 0.5) / count * (top - bottom)


def _spans_decades(values: Sequence[float]) -> bool:
    """Rates, batch sizes, penalties: positive, and the largest at least eight times the smallest."""
    return min(values) > 0 and max(values) / min(values) >= 8


def _number_axis(values: Sequence[float], sign: int, bottom: float, top: float) -> tuple[_Ticks, _Places]:
    """Better is up, also for a loss."""
    low, high = padded(values)
    scale = Scale(low, high, *((bottom, top) if sign > 0 else (top, bottom)))
    return _scale_ticks(scale), {value: scale(value) for value in values}


def _scale_ticks(scale: Scale) -> _Ticks:
    return [(scale(value), number(value)) for value in scale.ticks()]


def _axis_drawing(x: float, title: str, ticks: _Ticks, top: float, bottom: float) -> str:
    labels = "".join(
        line(x - 4, y, x, y, class_="axis") + text(x - 8, y + 4, label, text_anchor="end", class_="tick")
        for y, label in ticks
    )
    return (
        line(x, top - 6, x, bottom + 6, class_="axis")
        + labels
        + text(x, top - 22, title, text_anchor="middle", class_="title")
    )


def _row_line(comparison: Comparison, row: Row, points: Sequence[tuple[float, float]], *, first: bool) -> str:
    label = f"{row_label(comparison, row)}: {comparison.metric.name} {row.score.mean:.4f}, {row.standing.value}"
    color = _STANDING_COLORS[row.standing]
    strength = {"stroke_width": 3.5, "opacity": 1.0} if first else {"stroke_width": 1.6, "opacity": 0.55}
    return path(points, label, stroke=color, stroke_linejoin="round", **strength)


def effects_chart(comparison: Comparison) -> str:
    """Each level's effect with its 95 % interval; right of zero is better."""
    effects = comparison.effects
    if not effects:
        return ""
    factor = 100 if comparison.metric.is_share else 1
    ends = [factor * end for effect in effects for end in _ends(effect)]
    width, left, height = 1060.0, 330.0, 44.0 + 30 * len(effects) + 34
    low, high = padded([*ends, 0.0])
    scale = Scale(low, high, left, width - 240)
    parts = [line(scale(0), 26, scale(0), height - 34, class_="zero")]
    parts += [
        line(x, 26, x, height - 34, class_="grid") + text(x, height - 16, label, text_anchor="middle", class_="tick")
        for x, label in _scale_ticks(scale)
    ]
    parts += [_effect(effect, comparison, scale, 44.0 + 30 * index, factor) for index, effect in enumerate(effects)]
    better = f"better by, {unit_text(comparison.metric)} →"
    parts.append(text(width - 240, 16, better, text_anchor="end", class_="tick"))
    return picture(width, height, *parts, label="Effect of each setting with its interval")


def _ends(effect: Effect) -> tuple[float, ...]:
    gain = effect.difference.gain
    return tuple(end for end in (gain.low, gain.mean, gain.high) if end is not None)


def _effect(effect: Effect, comparison: Comparison, scale: Scale, y: float, factor: int) -> str:
    gain, color = effect.difference.gain, _STANDING_COLORS[effect.difference.standing]
    level, against = (effect.setting.text(one) for one in (effect.level, effect.against))
    name = f"{effect.setting.name} {level} against {against}"
    parts = [text(scale.start - 12, y + 4, name, text_anchor="end", class_="label")]
    if gain.low is not None and gain.high is not None:
        ends = (scale(factor * gain.low), scale(factor * gain.high))
        parts.append(line(ends[0], y, ends[1], y, stroke=color, stroke_width=3.0, stroke_linecap="round"))
    hover = tooltip(effect_sentence(effect, comparison.metric))
    parts.append(element("circle", hover, cx=scale(factor * gain.mean), cy=y, r=5.5, fill=color))
    result = f"{gain_text(gain, comparison.metric)} (n = {gain.n})"
    parts.append(text(scale.end + 14, y + 4, result, class_="label", fill=color))
    return element("g", "".join(parts))


def curves_chart(comparison: Comparison, name: str) -> str:
    """``name``, such as val/loss, over epochs: a thin line a run, coloured by row; empty where nothing was recorded."""
    drawn = [
        (index, run.name, curve)
        for index, row in enumerate(comparison.rows[:CURVE_ROWS])
        for run in row.configuration.runs
        if (curve := _finite(run.read_curves(), name))
    ]
    if not drawn:
        return ""
    width, height, left, bottom = 520.0, 280.0, 56.0, 244.0
    epochs = [epoch for _, _, curve in drawn for epoch, _ in curve]
    x = Scale(min(epochs), max(*epochs, min(epochs) + 1), left, width - 12)
    y = _curve_scale([value for _, _, curve in drawn for _, value in curve], bottom, 30)
    parts = [
        line(left, at, width - 12, at, class_="grid") + text(left - 8, at + 4, label, text_anchor="end", class_="tick")
        for at, label in _scale_ticks(y)
    ]
    parts += [
        text(x(epoch), bottom + 18, number(epoch), text_anchor="middle", class_="tick")
        for epoch in x.ticks()
        if epoch == round(epoch)
    ]
    parts += [
        text(left, 16, f"{name} (log axis)" if y.log else name, class_="title"),
        text(width - 12, height - 4, "epoch", text_anchor="end", class_="tick"),
    ]
    for index, run, curve in reversed(drawn):
        points = [(x(epoch), y(value)) for epoch, value in curve]
        parts.append(path(points, run, stroke=COLORS[index], stroke_width=2.0 if index == 0 else 1.2, opacity=0.9))
    return picture(width, height, *parts, label=f"{name} over epochs")


def _curve_scale(values: Sequence[float], bottom: float, top: float) -> Scale:
    """By logarithm where one diverged run would press all others flat."""
    if min(values) > 0 and max(values) / min(values) >= _DIVERGED:
        return Scale(min(values), max(values), bottom, top, log=True)
    return Scale(*padded(values), bottom, top)


def _finite(curves: Curves, name: str) -> list[tuple[int, float]]:
    return [(epoch, value) for epoch, value in curves.get(name, ()) if math.isfinite(value)]
