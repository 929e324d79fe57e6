"""``cnnexp check-data``: is this data set fit to train on, and what is remarkable about it?"""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cnnexp.cli._commands import accept_any_letter

if TYPE_CHECKING:
    from cnnexp.config import ExperimentConfig
    from cnnexp.datasets import Survey
    from cnnexp.records import DataReport


@click.command()
@click.argument("settings", nargs=-1, metavar="[data=... data.path=...]")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write a page that shows the images.")
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON instead of the table.")
@click.option("--labels", is_flag=True, help="Also look for labels that predictions out of fold dispute.")
def command(*, settings: tuple[str, ...], html: Path | None, as_json: bool, labels: bool) -> int:
    """Look for damaged files, missing classes, duplicates, leakage, images far from the rest, splits that differ.

    Everything is seen relative to the data set itself. Runs do the same check, and record it as data_report.json.

    \b
    cnnexp check-data data=folder data.path=photos/
    cnnexp check-data data=table data.path=list.csv --labels --html report.html
    cnnexp check-data data=folder data.path=photos/ --json > data_report.json

    Exit code 0: nothing makes a run meaningless; 1: something does; 2: the command line is wrong.
    """  # noqa: D301 - \b keeps click from joining the lines
    from cnnexp.compose import compose_config
    from cnnexp.data_check import check

    accept_any_letter()
    config = compose_config(settings)
    surveyed = _survey(config, quietly=as_json)
    data = config.data
    report = check(surveyed, few_images=data.few_images, uneven=data.uneven, labels=labels)
    if html is not None:
        _write(html, report, surveyed, command=_repeated(settings, labels))
    _show(report, as_json=as_json)
    return int(any(issue.stops for issue in report.issues))


def _survey(config: "ExperimentConfig", *, quietly: bool) -> "Survey":
    from cnnexp.datasets import survey
    from cnnexp.report.run.progress import reading_shown

    if quietly:
        return survey(config.data, seed=config.seed, on_progress=lambda _done, _total: None, strict=False)
    with reading_shown() as show:
        return survey(config.data, seed=config.seed, on_progress=show, strict=False)


def _write(html: Path, report: "DataReport", surveyed: "Survey", *, command: str) -> None:
    from cnnexp.errors import ConfigError
    from cnnexp.report.data_report import page

    try:
        html.write_text(page(report, surveyed.read.images, command=command), encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"--html must be a file that can be written; {html}: {error.strerror}.") from error


def _repeated(settings: Sequence[str], labels: bool) -> str:
    return shlex.join(["cnnexp", "check-data", *settings, *(["--labels"] if labels else []), "--html", "report.html"])


def _show(report: "DataReport", *, as_json: bool) -> None:
    if as_json:
        import dataclasses

        from cnnexp.runs.artifacts import to_json

        click.echo(to_json(dataclasses.asdict(report)), nl=False)
        return
    from cnnexp.report.console import open_console
    from cnnexp.report.data_report import print_report

    print_report(open_console(), report)
