"""What the page of a comparison computes from and draws: a comparison becomes the document of its page."""

import base64
import math
import shlex
from collections.abc import Sequence
from dataclasses import replace
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from cnnexp.comparison.design import ABSENT, Setting, differing_settings, seed_of, value_of
from cnnexp.comparison.metric import metric
from cnnexp.comparison.result import Comparison, Importance, Row
from cnnexp.comparison.same_images import aligned
from cnnexp.comparison.slices import parts
from cnnexp.comparison.tested_images import identify_test_images
from cnnexp.diagnosis import advised_by_siblings, recorded_failure
from cnnexp.records import RecordedPredictions, RunSummary
from cnnexp.report.comparison.advice import advice_sentences
from cnnexp.report.comparison.page_document import (
    Answers,
    ImagePart,
    ImportanceBar,
    MetricColumn,
    PageData,
    RunColumns,
    Running,
    SettingColumn,
)
from cnnexp.report.comparison.setting_words import level_name, setting_name
from cnnexp.report.comparison.thumbnails import Thumbnails
from cnnexp.report.comparison.train_again import TypedAgain, train_again
from cnnexp.report.comparison.verdict import verdict
from cnnexp.report.comparison.wording import left_out_sentences, short_names
from cnnexp.system.text import plural

SCHEMA = 1
CURVES = ("val/loss", "val/accuracy", "train/loss", "train/accuracy", "learning_rate")
_DIGITS = 6  # significant, of a metric
_CURVE_DIGITS = 4
_CURVE_POINTS = 100  # epochs of a curve that are kept, evenly spaced and the last
_CURVE_VALUES = 400_000  # of all curves together: about 3 MB
_ANSWERS = 600_000  # bytes of all recorded answers together, two for an image under a model
_ANSWERED = 200  # models, at most, whose answers are read: each is a file
_PICTURES = 250_000  # bytes of all pictures together
_FINDINGS = 200  # runs, at most, whose findings are read: each is a file
_NO_VERDICT = (
    "No verdict before its end: who looks again and again until a difference shows finds one where there is none."
)


def page_data(
    comparison: Comparison, *, command: str, running: Running | None, typed_again: TypedAgain | None
) -> PageData:
    """Gather what was recorded of the runs of a comparison; large parts are read here, up to the limits above.

    With ``running``, the page of a sweep that has not ended, there is no verdict.
    """
    compared = [run for row in comparison.rows for run in row.configuration.runs]
    runs = sorted([*compared, *(run for run, _ in comparison.left_out)], key=lambda run: (run.started, run.run_id))
    place = {run.run_id: index for index, run in enumerate(runs)}
    answers, dropped = _answers(comparison, place)
    curves, shortened = _curves(runs)
    return PageData(
        schema=SCHEMA,
        running=running,
        verdict=verdict(comparison) if running is None else (running.sentence, _NO_VERDICT),
        advice=advice_sentences(comparison),
        warnings=comparison.warnings,
        left_out=left_out_sentences(comparison),
        metric=comparison.metric.name,
        by=comparison.by,
        command=command,
        targets=_targets(command),
        store=next((word for word in shlex.split(command) if word.startswith("tracking.uri=")), ""),
        settings=_settings(runs),
        metrics=_metrics(runs),
        runs=_runs(comparison, runs, typed_again),
        importance=tuple(_importance(one) for one in comparison.importance),
        curves=curves,
        answers=answers,
        dropped=(*dropped, *shortened, *_unread_findings(runs)),
    )


def _targets(command: str) -> tuple[str, ...]:
    """The words between ``compare`` and the first option or setting."""
    words = shlex.split(command)[2:]
    return tuple(takewhile(lambda word: not word.startswith("-") and "=" not in word, words))


def _importance(found: Importance) -> ImportanceBar:
    share = found.share
    return ImportanceBar(found.setting.name, share.value, share.low, share.high, share.told_from_zero, share.unit)


def _settings(runs: Sequence[RunSummary]) -> tuple[SettingColumn, ...]:
    found = differing_settings(runs)
    short = short_names([setting.name for setting in found])
    return tuple(_setting(runs, setting, short[setting.name]) for setting in found)


def _setting(runs: Sequence[RunSummary], setting: Setting, short: str) -> SettingColumn:
    index = {level: place for place, level in enumerate(setting.levels)}
    return SettingColumn(
        name=setting.name,
        short=short,
        words=setting_name(setting),
        numeric=replace(setting, levels=tuple(level for level in setting.levels if level != ABSENT)).is_numeric,
        levels=setting.levels,
        texts=tuple(setting.text(level) for level in setting.levels),
        said=tuple(level_name(setting, level) for level in setting.levels),
        values=tuple(index[value_of(run, setting.name)] for run in runs),
        missing=tuple(place for place, run in enumerate(runs) if setting.name not in run.settings),
    )


def _metrics(runs: Sequence[RunSummary]) -> tuple[MetricColumn, ...]:
    found = []
    for name in sorted({name for run in runs for name in run.metrics}):
        known = metric(name)
        values = tuple(_rounded(run.metrics.get(name), _DIGITS) for run in runs)
        if any(value is not None for value in values) and not _is_of_an_epoch(name):
            found.append(MetricColumn(name, known.lower_is_better, known.is_share, known.low, known.high, values))
    return tuple(found)


def _is_of_an_epoch(name: str) -> bool:
    """Whether a metric has a value for each epoch, of which the last one alone says little."""
    return name in CURVES


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None or not math.isfinite(value) else float(f"{value:.{digits}g}")


def _runs(comparison: Comparison, runs: Sequence[RunSummary], typed_again: TypedAgain | None) -> RunColumns:
    left_out = {run.run_id: reason for run, reason in comparison.left_out}
    keys = identify_test_images(runs).keys
    groups = {key: index for index, key in enumerate(dict.fromkeys(keys.values()))}
    return RunColumns(
        id=tuple(run.run_id for run in runs),
        name=tuple(run.name for run in runs),
        seed=tuple(seed_of(run) for run in runs),
        status=tuple(_status(left_out.get(run.run_id)) for run in runs),
        learned_nothing=tuple(recorded_failure(run) or "" for run in runs),
        failure=tuple(run.tags.get("failure", "") for run in runs),
        monitor=tuple(run.settings.get("training.monitor", "") for run in runs),
        images=tuple(groups[keys[run.run_id]] for run in runs),
        started=tuple(run.started for run in runs),
        seconds=tuple(_rounded(run.seconds, _DIGITS) for run in runs),
        command=tuple(train_again(comparison, run, typed_again) for run in runs),
        data_warnings=_data_warnings(runs),
        findings=tuple(_findings(run, runs) if index < _FINDINGS else None for index, run in enumerate(runs)),
    )


def _status(reason: str | None) -> str:
    """A run without the metric has finished: its table says which numbers it has."""
    return "finished" if reason is None or reason.startswith("no finite") else reason


def _unread_findings(runs: Sequence[RunSummary]) -> list[str]:
    unread = len(runs) - _FINDINGS
    return (
        [f"Findings are of the first {_FINDINGS} runs; those of {unread} others were not read."] if unread > 0 else []
    )


def _data_warnings(runs: Sequence[RunSummary]) -> tuple[tuple[tuple[str, str], ...], ...]:
    """The warnings of each run's data set, read from one run of each data set and split."""

    def data(run: RunSummary) -> tuple[str | None, ...]:
        return (run.data_digest, *(run.settings.get(name) for name in ("data", "data.split_seed", "data.test")))

    first = {data(run): run for run in reversed(runs) if run.status == "FINISHED"}
    return tuple(first[data(run)].read_data_warnings() if data(run) in first else () for run in runs)


def _findings(run: RunSummary, runs: Sequence[RunSummary]) -> tuple[tuple[str, str, str], ...]:
    found = (advised_by_siblings(finding, run, runs) for finding in run.read_findings())
    return tuple((finding.title, finding.sentence, finding.repair or "") for finding in found)


_Curve = tuple[tuple[int, ...], tuple[float | None, ...]]


def _curves(runs: Sequence[RunSummary]) -> tuple[dict[str, tuple[_Curve | None, ...]], list[str]]:
    """The curves of every run; of long or many ones, evenly spaced epochs."""
    recorded = [run.read_curves() for run in runs]
    values = sum(len(curve) for curves in recorded for curve in curves.values())
    every = math.ceil(values / _CURVE_VALUES)
    longest = max((len(curve) for curves in recorded for curve in curves.values()), default=0)
    every = max(every, math.ceil(longest / _CURVE_POINTS), 1)
    found = {name: tuple(_curve(curves.get(name, ()), every) for curves in recorded) for name in CURVES}
    kept = {name: curves for name, curves in found.items() if any(curve is not None for curve in curves)}
    return kept, [f"Of the learning curves every {every}th epoch is kept, and the last."] if every > 1 else []


def _curve(points: Sequence[tuple[int, float]], every: int) -> _Curve | None:
    kept = [point for index, point in enumerate(points) if index % every == 0 or index == len(points) - 1]
    if not kept:
        return None
    return tuple(epoch for epoch, _ in kept), tuple(_rounded(value, _CURVE_DIGITS) for _, value in kept)


def _answers(comparison: Comparison, place: dict[str, int]) -> tuple[Answers | None, list[str]]:
    """The recorded answers, the best run of each row first, as many as fit."""
    reference = None if comparison.refusals else comparison.reference.best_run.read_predictions()
    if reference is None:
        return None, []
    classes = 1 if len(reference.class_names) <= 256 else 2
    room = max(2, min(_ANSWERED, _ANSWERS // (len(reference.labels) * (classes + 1))))
    wanted = _best_first(comparison.rows)
    read = [
        (place[run.run_id], aligned(reference, found)) for run in wanted[:room] if (found := run.read_predictions())
    ]
    dropped = []
    if len(wanted) > room:
        what = "of the best run of each row first" if room >= len(comparison.rows) else "of the best rows"
        dropped = [
            f"Answers to single images are kept of {plural(len(read), 'run')} of {len(wanted)}, {what}: confusion "
            "matrices, scores of classes, pictures and tests of trained models cover those."
        ]
    predicted = np.stack([one.predicted for _, one in read])
    confidence = np.stack([_confidence(one) for _, one in read])
    return (
        Answers(
            class_names=reference.class_names,
            bytes=classes,
            images=len(reference.labels),
            files=reference.files,
            labels=_packed(reference.labels, classes),
            runs=tuple(index for index, _ in read),
            predicted=tuple(_packed(one, classes) for one in predicted),
            confidence=tuple(_packed(np.rint(255 * one), 1) for one in confidence),
            parts=tuple(_part(*part) for part in parts(reference)),
            pictures=_pictures(comparison, reference, predicted),
        ),
        dropped,
    )


def _part(by: str, label: str, images: NDArray[np.bool_]) -> ImagePart:
    return ImagePart(by, label, base64.b64encode(np.packbits(images).tobytes()).decode())


def _best_first(rows: Sequence[Row]) -> list[RunSummary]:
    best = [row.best_run for row in rows]
    return [*best, *(run for row in rows for run in row.configuration.runs if run is not row.best_run)]


def _confidence(predictions: RecordedPredictions) -> NDArray[np.float32]:
    answers = predictions.predicted
    return np.asarray(predictions.probabilities[np.arange(len(answers)), answers])


def _packed(values: NDArray[np.generic], size: int) -> str:
    return base64.b64encode(values.astype("<u1" if size == 1 else "<u2").tobytes()).decode()


def _pictures(comparison: Comparison, reference: RecordedPredictions, predicted: NDArray[np.int64]) -> dict[int, str]:
    """Images that most models get wrong, or disagree about, as many as there is room for."""
    wrong = (predicted != reference.labels).mean(axis=0)
    hardness = wrong + np.minimum(wrong, 1 - wrong)  # both orders of the page: all wrong, and half of them
    shown: dict[int, str] = {}
    room = _PICTURES
    thumbnail = Thumbnails(comparison.reference.best_run)
    for image in np.argsort(-hardness, kind="stable")[:1000].tolist():
        source = thumbnail(reference.files[image]) if hardness[image] > 0 else None
        if source is None:
            continue
        room -= len(source)
        if room < 0:
            break
        shown[image] = source
    return shown
