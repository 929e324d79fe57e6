"""``cnnexp compare``: is B really better than A?"""

from collections.abc import Sequence
from pathlib import Path

from cnnexp.cli.targets import separate_store
from cnnexp.comparison import Comparison, compare
from cnnexp.errors import ConfigError, DataError
from cnnexp.records import RunSummary
from cnnexp.report.comparison import csv_text, json_text, markdown_text, print_comparison
from cnnexp.report.console import open_console
from cnnexp.system.streams import print_document
from cnnexp.tracking.comparison_page import command_again, log_comparison
from cnnexp.tracking.store.find_runs import find_runs


def run(
    targets: Sequence[str],
    *,
    by: Sequence[str],
    metric: str,
    html: Path | None,
    csv: Path | None,
    markdown: Path | None,
    log: bool,
    as_json: bool,
) -> int:
    """Compare the runs that are meant, write the files that are asked for, and print.

    Args:
        targets: ids or names of runs, sweeps or experiments, and perhaps ``tracking.uri=URI``.
        by: the settings to compare; if empty, all that vary.
        metric: what is compared, such as ``test/accuracy``.
        html: file for the page.
        csv: file for every number.
        markdown: file for verdict and table.
        log: also log page and verdict to the sweep's parent run.
        as_json: print JSON instead of the table.

    Raises:
        TargetError: a target names no run.
        DataError: the runs cannot be compared; the reason and their numbers have been printed.

    """
    names, uri = separate_store(targets)
    runs = find_runs(names, uri=uri)
    comparison = compare(runs, metric_name=metric, by=by)
    lasting = [_lasting_name(runs) if name == "latest" else name for name in names]
    command = command_again(lasting, uri=uri, metric=metric, by=by)
    _write(comparison, html=html, csv=csv, markdown=markdown, command=command)
    if as_json:
        print_document(f"{json_text(comparison)}\n")
    else:
        print_comparison(comparison, open_console())
    if log:
        _log(comparison, runs, uri=uri, command=command)
    if comparison.refusals:
        raise DataError(comparison.refusals[0])
    return 0


def _lasting_name(runs: Sequence[RunSummary]) -> str:
    """Return the id of what ``latest`` names now; it will be another sweep by the time a command is repeated."""
    return runs[0].parent_id or runs[0].run_id


def _write(comparison: Comparison, *, html: Path | None, csv: Path | None, markdown: Path | None, command: str) -> None:
    if csv is not None:
        csv.write_text(csv_text(comparison), encoding="utf-8")
    if markdown is not None:
        markdown.write_text(markdown_text(comparison), encoding="utf-8")
    if html is not None:
        html.write_text(_page(comparison, command), encoding="utf-8")


def _page(comparison: Comparison, command: str) -> str:
    from cnnexp.report.comparison.html_page import page  # with its charts, which few comparisons draw

    return page(comparison, command=command)


def _log(comparison: Comparison, runs: Sequence[RunSummary], *, uri: str, command: str) -> None:
    parents = {run.parent_id for run in runs} - {None}
    if len(parents) != 1 or any(run.parent_id is None for run in runs):
        raise ConfigError(
            f"--log needs the runs of one sweep, whose parent run it writes to; these are of {len(parents)}."
        )
    log_comparison(
        uri=uri,
        parent_id=str(*parents),
        page=_page(comparison, command),
        description=markdown_text(comparison),
    )
