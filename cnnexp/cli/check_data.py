"""``cnnexp check-data``: is this data set fit to train on, and what is remarkable about it?"""

import dataclasses
import shlex
from collections.abc import Sequence
from pathlib import Path

from cnnexp.compose import compose_config
from cnnexp.config import ExperimentConfig
from cnnexp.data_check import check
from cnnexp.datasets import InspectedDataset, inspect_dataset
from cnnexp.errors import ConfigError
from cnnexp.records import DataReport
from cnnexp.report.console import open_console
from cnnexp.report.data_report import page, print_report
from cnnexp.report.run import reading_shown
from cnnexp.system.streams import print_document


def run(settings: Sequence[str], *, html: Path | None, as_json: bool, labels: bool) -> int:
    """Check the data set that the settings name and print the report; return 1 if it makes a run meaningless.

    Raises:
        ConfigError: a setting is wrong, or the page cannot be written.

    """
    config = compose_config(settings)
    inspected = _inspect(config, quietly=as_json)
    data = config.data
    report = check(inspected, few_images=data.few_images, uneven=data.uneven, labels=labels)
    if html is not None:
        _write(html, report, inspected, command=_repeated(settings, labels))
    _show(report, as_json=as_json)
    return int(any(issue.stops for issue in report.issues))


def _inspect(config: ExperimentConfig, *, quietly: bool) -> InspectedDataset:
    if quietly:
        return inspect_dataset(config.data, seed=config.seed, on_progress=lambda _done, _total: None, strict=False)
    with reading_shown() as show:
        return inspect_dataset(config.data, seed=config.seed, on_progress=show, strict=False)


def _write(html: Path, report: DataReport, inspected: InspectedDataset, *, command: str) -> None:
    try:
        html.write_text(page(report, inspected.decoded.images, command=command), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--html must be a file that can be written; {html}: {error.strerror}.") from error


def _repeated(settings: Sequence[str], labels: bool) -> str:
    return shlex.join(["cnnexp", "check-data", *settings, *(["--labels"] if labels else []), "--html", "report.html"])


def _show(report: DataReport, *, as_json: bool) -> None:
    if as_json:
        from cnnexp.runs.artifacts import to_json  # with Matplotlib and PyArrow, which the table does not need

        print_document(to_json(dataclasses.asdict(report)).decode())
        return
    print_report(open_console(), report)
