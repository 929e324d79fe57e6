"""``cnnexp compare``: is B really better than A?"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cnnexp.cli._commands import without_store
from cnnexp.tracking.comparison_page import METRIC, command_again

if TYPE_CHECKING:
    from cnnexp.comparison import Comparison
    from cnnexp.records import RunSummary


@click.command()
@click.argument("targets", nargs=-1, required=True, metavar="SWEEP | EXPERIMENT | RUN RUN ... | latest")
@click.option("--by", default="", metavar="A,B", help="Settings to compare; runs are averaged over all others.")
@click.option("--metric", default=METRIC, show_default=True, help="What is compared, such as test/macro_f1.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write the report as one page.")
@click.option("--csv", type=click.Path(path_type=Path, dir_okay=False), help="Write every number as a table.")
@click.option("--log", is_flag=True, help="Put verdict and page into the sweep's run in MLflow, as its end did.")
@click.option(
    "--markdown", type=click.Path(path_type=Path, dir_okay=False), help="Write verdict and table as Markdown."
)
@click.option("--uri", help="The store; the same as tracking.uri=URI.")
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON instead of the table.")
def command(
    *,
    targets: tuple[str, ...],
    by: str,
    metric: str,
    html: Path | None,
    csv: Path | None,
    log: bool,
    markdown: Path | None,
    uri: str | None,
    as_json: bool,
) -> int:
    """Say what differs between recorded runs, and what of it is more than chance.

    Rows are settings, folded over seeds and ranked on validation; they are compared on test, paired by seed. The best
    trained models are compared too, paired by test image. A SWEEP is its parent run's id or name.

    \b
    cnnexp compare latest
    cnnexp compare latest --by optimizer.learning_rate,regularization.dropout --html report.html
    cnnexp compare 3f9a2c 81be07 --metric test/macro_f1 --uri sqlite:///other.db
    """  # noqa: D301 - \b keeps click from joining the lines
    from cnnexp.comparison import compare
    from cnnexp.errors import DataError
    from cnnexp.tracking.store.find_runs import find_runs

    named, store = without_store(list(targets) if uri is None else [*targets, f"tracking.uri={uri}"])
    runs = find_runs(named, uri=store)
    settings = [name for name in by.split(",") if name]
    comparison = compare(runs, metric_name=metric, by=settings)
    lasting = [_lasting(runs) if word == "latest" else word for word in named]
    again = command_again(lasting, uri=store, metric=metric, by=settings)
    _write(comparison, html=html, csv=csv, markdown=markdown, command=again)
    _show(comparison, as_json=as_json)
    if log:
        _log(comparison, runs, uri=store, command=again)
    if comparison.refusals:
        raise DataError(comparison.refusals[0])
    return 0


def _lasting(runs: "Sequence[RunSummary]") -> str:
    """Return the id of what ``latest`` names now; it will be another sweep by the time a command is repeated."""
    return runs[0].parent_id or runs[0].run_id


def _write(
    comparison: "Comparison", *, html: Path | None, csv: Path | None, markdown: Path | None, command: str
) -> None:
    if csv is not None:
        from cnnexp.report.comparison.exports import csv_text

        csv.write_text(csv_text(comparison), encoding="utf-8")
    if markdown is not None:
        from cnnexp.report.comparison import exports

        markdown.write_text(exports.markdown(comparison), encoding="utf-8")
    if html is not None:
        from cnnexp.report.comparison.html_page import page

        html.write_text(page(comparison, command=command), encoding="utf-8")


def _log(comparison: "Comparison", runs: "Sequence[RunSummary]", *, uri: str, command: str) -> None:
    from cnnexp.errors import ConfigError
    from cnnexp.report.comparison.exports import markdown
    from cnnexp.report.comparison.html_page import page
    from cnnexp.tracking.comparison_page import log_comparison

    parents = {run.parent_id for run in runs} - {None}
    if len(parents) != 1 or any(run.parent_id is None for run in runs):
        raise ConfigError(
            f"--log needs the runs of one sweep, whose parent run it writes to; these are of {len(parents)}."
        )
    description = markdown(comparison)
    log_comparison(uri=uri, parent_id=str(*parents), page=page(comparison, command=command), description=description)


def _show(comparison: "Comparison", *, as_json: bool) -> None:
    if as_json:
        from cnnexp.report.comparison.exports import json_text

        click.echo(json_text(comparison))
        return
    from rich.console import Console

    from cnnexp.report.comparison.terminal_table import print_comparison

    print_comparison(comparison, Console())
