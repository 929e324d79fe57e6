"""A comparison as one HTML page that opens from disk, without network and without scripts."""

import base64
import io
import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from markupsafe import Markup

from cnnexp.comparison.metric import metric
from cnnexp.comparison.result import Comparison, Row
from cnnexp.diagnosis import advised_by_siblings
from cnnexp.errors import CnnexpError
from cnnexp.records import Finding, RunSummary
from cnnexp.report.comparison.charts import COLORS, CURVE_ROWS, curves_chart, effects_chart, parallel_coordinates
from cnnexp.report.comparison.confusions import SideBySide, side_by_side
from cnnexp.report.comparison.table_cells import secondary_metrics, table
from cnnexp.report.comparison.verdict import verdict
from cnnexp.report.comparison.wording import (
    advice_sentences,
    effect_sentence,
    left_out_sentences,
    legend,
    model_label,
    model_sentence,
    row_label,
)
from cnnexp.report.pages import template

if TYPE_CHECKING:
    from PIL import Image

_CURVES = ("val/loss", "val/accuracy", "train/loss", "train/accuracy")
_PAIRS = 3  # the best model beside the next ones on validation
_RUNS_LISTED = 100
_THUMBNAIL = 56  # pixels of the longer side, at most
_IN_MEMORY = "index-"  # begins the name of an image of a data set that is one array, such as the digits


@dataclass(frozen=True, slots=True)
class RunFacts:
    """A run's line under "runs"."""

    run: RunSummary
    label: str
    color: str | None  # of its curve; None: not drawn
    findings: tuple[Finding, ...]
    command: str


def page(comparison: Comparison, *, command: str) -> str:
    """The whole page; ``command`` makes it again. Everything recorded is escaped."""
    return _rendered("comparison/page.html.j2", comparison, command)


def fragment(comparison: Comparison, *, command: str) -> str:
    """The content of the page within the output of a notebook."""
    return _rendered("comparison/fragment.html.j2", comparison, command)


def _rendered(name: str, comparison: Comparison, command: str) -> str:
    charts = [curves_chart(comparison, name) for name in _CURVES]
    runs = _run_facts(comparison)
    return template(name).render(
        comparison=comparison,
        verdict=verdict(comparison),
        advice=advice_sentences(comparison),
        legend=legend(comparison),
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


def _run_facts(comparison: Comparison) -> list[RunFacts]:
    runs = [run for row in comparison.rows for run in row.configuration.runs]
    return [
        RunFacts(
            run=run,
            label=row_label(comparison, row),
            color=COLORS[index] if index < CURVE_ROWS else None,
            findings=_findings(run, runs) if place < _RUNS_LISTED else (),
            command=_command(comparison, row, run),
        )
        for place, (index, row, run) in enumerate(
            (index, row, run) for index, row in enumerate(comparison.rows) for run in row.configuration.runs
        )
    ]


def _findings(run: RunSummary, runs: Sequence[RunSummary]) -> tuple[Finding, ...]:
    return tuple(advised_by_siblings(finding, run, runs) for finding in run.read_findings())


def _command(comparison: Comparison, row: Row, run: RunSummary) -> str:
    """The command that trains this run again, by the settings that differ; config.yaml has all settings."""
    chosen = {name: run.settings[name] for name in ("data", "model") if name in run.settings}
    for setting in comparison.settings:
        for name in (setting.name, *setting.confounded_with):
            if name in run.settings and not name.endswith(".code"):
                chosen[name] = run.settings[name]
    if "seed" in run.settings:
        chosen["seed"] = run.settings["seed"]
    code = {value.partition("@")[0] for name, value in run.settings.items() if name.endswith(".code")}
    flags = [f"--extend={file}" for file in sorted(code)]
    return shlex.join(["cnnexp", *flags, *(f"{name}={value}" for name, value in chosen.items())])


class Thumbnails:
    """The images of a run's data set, as far as their files are on this machine."""

    def __init__(self, run: RunSummary) -> None:
        self._run = run

    def __call__(self, file: str) -> str | None:
        """Return an image as a data URI; None where it is missing or cannot be read."""
        try:
            image = self._array_image(file) if file.startswith(_IN_MEMORY) else self._file_image(file)
            return None if image is None else _data_uri(image)
        except (OSError, IndexError, ValueError):  # only its name is shown
            return None

    def _file_image(self, file: str) -> "Image.Image | None":
        from PIL import Image  # most comparisons write no page

        source = self._run.data_source
        path = Path(source or "") / file
        return Image.open(path) if source is not None and path.is_file() else None

    def _array_image(self, file: str) -> "Image.Image | None":
        from PIL import Image

        if self._pixels is None:
            return None
        pixels = np.asarray(self._pixels(int(file.removeprefix(_IN_MEMORY))))
        return Image.fromarray(pixels.squeeze())

    @cached_property
    def _pixels(self) -> Callable[[int], object] | None:
        """Reads an image of a built-in data set by its number; nothing is downloaded for it."""
        from cnnexp.datasets.sources.builtin import CLASS_NAMES, builtin_source

        name = self._run.settings.get("data", "none recorded")
        if name != "digits" and (name not in CLASS_NAMES or self._run.data_source is None):
            return None
        try:
            _, pictures = builtin_source(name, None if name == "digits" else self._run.data_source).open()
        except CnnexpError:  # it was moved
            return None
        return pictures.__getitem__


def _data_uri(image: "Image.Image") -> str:
    encoded = io.BytesIO()
    with image:
        image.thumbnail((_THUMBNAIL, _THUMBNAIL))
        image.convert("RGB").save(encoded, "PNG")
    return f"data:image/png;base64,{base64.b64encode(encoded.getvalue()).decode()}"
