"""``cnnexp compare``: is B really better than A?"""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cnnexp.cli._model import without_store

if TYPE_CHECKING:
    from cnnexp.comparison import Comparison


@click.command()
@click.argument("targets", nargs=-1, required=True, metavar="SWEEP | EXPERIMENT | RUN RUN ... | latest")
@click.option("--by", default="", metavar="A,B", help="Settings to compare; runs are averaged over all others.")
@click.option("--metric", default="test/accuracy", show_default=True, help="What is compared, such as test/macro_f1.")
@click.option("--html", type=click.Path(path_type=Path, dir_okay=False), help="Write the report as one page.")
@click.option("--csv", type=click.Path(path_type=Path, dir_okay=False), help="Write every number as a table.")
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
    from cnnexp.tracking.summaries import find_runs

    words = list(targets) if uri is None else [*targets, f"tracking.uri={uri}"]
    named, store = without_store(words)
    runs = find_runs(named, uri=store)
    comparison = compare(runs, metric_name=metric, by=[name for name in by.split(",") if name])
    _write(comparison, html=html, csv=csv, markdown=markdown, words=words)
    _show(comparison, as_json=as_json)
    if comparison.refusals:
        raise DataError(comparison.refusals[0])
    return 0


def _write(
    comparison: "Comparison", *, html: Path | None, csv: Path | None, markdown: Path | None, words: Sequence[str]
) -> None:
    if csv is not None:
        from cnnexp.report.comparison_files import csv_text

        csv.write_text(csv_text(comparison), encoding="utf-8")
    if markdown is not None:
        from cnnexp.report import comparison_files

        markdown.write_text(comparison_files.markdown(comparison), encoding="utf-8")
    if html is not None:
        from cnnexp.report.comparison_page import page

        html.write_text(page(comparison, command=_repeated(comparison, words)), encoding="utf-8")


def _repeated(comparison: "Comparison", words: Sequence[str]) -> str:
    """The command that makes this report again; ``latest`` will be another sweep by then."""
    runs = [run for row in comparison.rows for run in row.configuration.runs]
    lasting = runs[0].parent_id or runs[0].run_id
    named = [lasting if word == "latest" else word for word in words]
    by = ["--by", ",".join(comparison.by)] if comparison.by else []
    return shlex.join(["cnnexp", "compare", *named, "--metric", comparison.metric.name, *by, "--html", "report.html"])


def _show(comparison: "Comparison", *, as_json: bool) -> None:
    if as_json:
        from cnnexp.report.comparison_files import json_text

        click.echo(json_text(comparison))
        return
    from rich.console import Console

    from cnnexp.report.comparison import print_comparison

    print_comparison(comparison, Console())
