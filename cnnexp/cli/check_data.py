"""``cnnexp check-data``: is this data set fit to train on, and what is remarkable about it?"""

import dataclasses
import shlex
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnexp.cli.code_flags import flags_given
from cnnexp.cli.outputs import STDOUT, refuse_to_mix, write_document
from cnnexp.compose import compose_config
from cnnexp.config import ExperimentConfig
from cnnexp.data_check import check, with_labels_of_run
from cnnexp.datasets import InspectedDataset, inspect_dataset
from cnnexp.errors import DataError, TargetError
from cnnexp.records import DataReport, Probabilities, RecordedPredictions
from cnnexp.report.console import open_console
from cnnexp.report.data_report import page, print_report
from cnnexp.report.run import reading_shown
from cnnexp.runs.pretrained import data_for
from cnnexp.runs.starting_network import starting_network
from cnnexp.system import quiet
from cnnexp.system.streams import print_error
from cnnexp.system.text import listed, plural
from cnnexp.tracking.store.find_runs import find_runs


def run(settings: Sequence[str], *, html: Path | None, json: Path | None, labels: bool, labels_from: str | None) -> int:
    """Check the data set that the settings name and print the report; return 1 if it makes a run meaningless.

    `labels_from` names a run, in the store of the settings, whose predictions for images that it was not trained on are
    compared with their labels: all of them where it has folds, else its test images.

    Raises:
        ConfigError: a setting is wrong, or a file cannot be written.
        TargetError: `labels_from` is no run.
        DataError: the run recorded no predictions, or it judged other images.

    """
    refuse_to_mix({"html": html, "json": json})
    config = compose_config(settings)
    judged = None if labels_from is None else _judged(labels_from, uri=config.tracking.uri)
    inspected, features = _inspect(config, quietly=STDOUT in (html, json), featured=labels)
    report = check(
        inspected,
        few_images=config.data.few_images,
        uneven=config.data.uneven,
        balanced=config.training.balances_classes,
        labels=labels,
        features=features,
    )
    if judged is not None:
        rows, probabilities = _matched(judged, inspected)
        folds = judged.folds is not None
        report = with_labels_of_run(report, inspected, rows=rows, probabilities=probabilities, folds=folds)
        if not folds:
            print_error(_some_judged(len(rows), inspected))
    if html is not None:
        text = page(report, inspected.decoded.images, command=_repeated(settings, labels, labels_from))
        write_document(text, html, option="--html")
    if json is not None:
        write_document(_json(report), json, option="--json")
    if STDOUT not in (html, json):
        print_report(open_console(), report)
    return int(any(issue.stops for issue in report.issues))


def _inspect(
    config: ExperimentConfig, *, quietly: bool, featured: bool
) -> tuple[InspectedDataset, NDArray[np.float32] | None]:
    """Return the data set and, where asked and the model is a pretrained one, its features of the images (N, F)."""
    with starting_network(config) as pretrained, nullcontext(_silent) if quietly else reading_shown() as show:
        inspected = inspect_dataset(data_for(config.data, pretrained), seed=config.seed, on_progress=show, strict=False)
        if not featured or pretrained is None or pretrained.weights is None:
            return inspected, None
        quiet.import_tensorflow()
        from cnnexp.runs.backbone_features import backbone_features

        cache = config.data.cache
        return inspected, backbone_features(inspected, config.model, pretrained, cache=cache, on_progress=show)


def _silent(_done: int, _total: int) -> None:
    """Show nothing."""


def _judged(target: str, *, uri: str) -> RecordedPredictions:
    """Return the predictions of a run, for images that the model which answered was not trained on."""
    found = find_runs([target], uri=uri)
    if len(found) > 1:
        ids = listed(f"{run.run_id[:12]} ({run.name})" for run in found)
        raise TargetError(f"--labels-from takes one run; {target!r} is {len(found)} runs. Name one of them: {ids}.")
    predictions = found[0].read_predictions()
    if predictions is None:
        raise DataError(
            f"--labels-from takes a run that recorded its predictions; {target!r} did not. Train one with "
            "data.folds=5, or leave the model out: --labels."
        )
    return predictions


def _some_judged(count: int, inspected: InspectedDataset) -> str:
    """Say which labels were asked about, and how to ask about all."""
    total = sum(len(rows) for rows in inspected.rows.values())
    return (
        f"Only the {count:,} test images of the run were judged, of {total:,}: the others took part in making its "
        "model. A run of folds judges all: train one with data.folds=5."
    )


def _matched(judged: RecordedPredictions, inspected: InspectedDataset) -> tuple[NDArray[np.int64], Probabilities]:
    """Return the rows of judged images that are still there under their name and label, and their probabilities."""
    manifest = inspected.decoded.manifest
    places = {
        (file, manifest.class_names[label]): row
        for row, (file, label) in enumerate(zip(manifest.files, manifest.labels.tolist(), strict=True))
    }
    named = [
        (file, judged.class_names[label]) for file, label in zip(judged.files, judged.labels.tolist(), strict=True)
    ]
    kept = [place for place, name in enumerate(named) if name in places]
    if judged.class_names != manifest.class_names or 2 * len(kept) < len(named):
        raise DataError(
            f"--labels-from takes a run that judged these images; of its {plural(len(named), 'image')} "
            f"{len(kept):,} are in {inspected.origin} under the same name and label. Name the data of that run."
        )
    return np.array([places[named[place]] for place in kept], np.int64), judged.probabilities[kept]


def _repeated(settings: Sequence[str], labels: bool, labels_from: str | None) -> str:
    options = [*(["--labels"] if labels else []), *(["--labels-from", labels_from] if labels_from else [])]
    return shlex.join(["cnnexp", "check-data", *flags_given(), *settings, *options, "--html", "report.html"])


def _json(report: DataReport) -> str:
    from cnnexp.runs.artifacts import to_json  # with Matplotlib and PyArrow, which the table does not need

    return to_json(dataclasses.asdict(report)).decode()
