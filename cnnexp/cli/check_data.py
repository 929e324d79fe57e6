"""``cnnexp check-data``: is this data set fit to train on, and what is remarkable about it?"""

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path

from cnnexp.cli.outputs import STDOUT, refuse_to_mix, write_document
from cnnexp.compose import compose_config
from cnnexp.config import ExperimentConfig
from cnnexp.data_check import check
from cnnexp.datasets import InspectedDataset, inspect_dataset
from cnnexp.records import DataReport
from cnnexp.report.console import open_console
from cnnexp.report.data_report import page, print_report
from cnnexp.report.run import reading_shown
from cnnexp.runs.pretrained import data_for, find_pretrained


def run(settings: Sequence[str], *, html: Path | None, json: Path | None, labels: bool) -> int:
    """Check the data set that the settings name and print the report; return 1 if it makes a run meaningless.

    Raises:
        ConfigError: a setting is wrong, or a file cannot be written.

    """
    refuse_to_mix({"html": html, "json": json})
    config = compose_config(settings)
    inspected = _inspect(config, quietly=STDOUT in (html, json))
    data = config.data
    report = check(inspected, few_images=data.few_images, uneven=data.uneven, labels=labels)
    if html is not None:
        text = page(report, inspected.decoded.images, command=_repeated(settings, labels))
        write_document(text, html, option="--html")
    if json is not None:
        write_document(_json(report), json, option="--json")
    if STDOUT not in (html, json):
        print_report(open_console(), report)
    return int(any(issue.stops for issue in report.issues))


def _inspect(config: ExperimentConfig, *, quietly: bool) -> InspectedDataset:
    data = data_for(config.data, find_pretrained(config.model))
    if quietly:
        return inspect_dataset(data, seed=config.seed, on_progress=lambda _done, _total: None, strict=False)
    with reading_shown() as show:
        return inspect_dataset(data, seed=config.seed, on_progress=show, strict=False)


def _repeated(settings: Sequence[str], labels: bool) -> str:
    return shlex.join(["cnnexp", "check-data", *settings, *(["--labels"] if labels else []), "--html", "report.html"])


def _json(report: DataReport) -> str:
    from cnnexp.runs.artifacts import to_json  # with Matplotlib and PyArrow, which the table does not need

    return to_json(dataclasses.asdict(report)).decode()
