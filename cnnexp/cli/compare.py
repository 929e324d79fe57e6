"""``cnnexp compare``: is B really better than A?"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cnnexp.cli.outputs import STDOUT, refuse_to_mix, write_document
from cnnexp.cli.targets import separate_store
from cnnexp.comparison import Comparison, compare
from cnnexp.errors import ConfigError, DataError
from cnnexp.records import RunSummary
from cnnexp.report.comparison import csv_text, json_text, markdown_text, print_comparison
from cnnexp.report.console import open_console
from cnnexp.tracking.comparison_page import command_again, log_comparison
from cnnexp.tracking.store.find_runs import find_runs


@dataclass(frozen=True, slots=True)
class ComparedRuns:
    """A comparison, and the runs that were meant."""

    comparison: Comparison
    runs: tuple[RunSummary, ...]
    uri: str  # of their store
    command: str  # makes the page again


def find_and_compare(targets: Sequence[str], *, by: Sequence[str], metric: str) -> ComparedRuns:
    """Compare the runs that are meant; the arguments, and what is raised, are those of `run`."""
    names, uri = separate_store(targets)
    if not names:
        raise ConfigError(
            "compare needs what it compares: a sweep, an experiment, or runs, by id or name; got none. "
            "The newest sweep: cnnexp compare latest"
        )
    runs = find_runs(names, uri=uri)
    comparison = compare(runs, metric_name=metric, by=by)
    lasting = [_lasting_name(runs) if name == "latest" else name for name in names]
    return ComparedRuns(comparison, runs, uri, command_again(lasting, uri=uri, metric=metric, by=by))


def run(
    targets: Sequence[str],
    *,
    by: Sequence[str],
    metric: str,
    html: Path | None,
    csv: Path | None,
    markdown: Path | None,
    log: bool,
    json: Path | None,
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
        json: file for everything; of these files one may be standard output, which then replaces the table.

    Raises:
        ConfigError: there is no target.
        TargetError: a target names no run.
        DataError: the runs cannot be compared; the reason and their numbers have been printed.

    """
    files = {"html": html, "csv": csv, "markdown": markdown, "json": json}
    refuse_to_mix(files)
    found = find_and_compare(targets, by=by, metric=metric)
    comparison, command = found.comparison, found.command
    for kind, path in files.items():
        if path is not None:
            write_document(_document(kind, comparison, command), path, option=f"--{kind}")
    if STDOUT not in files.values():
        print_comparison(comparison, open_console())
    if log:
        _log(found)
    if comparison.refusals:
        raise DataError(comparison.refusals[0])
    return 0


def _lasting_name(runs: Sequence[RunSummary]) -> str:
    """Return the id of what ``latest`` names now; it will be another sweep by the time a command is repeated."""
    return runs[0].parent_id or runs[0].run_id


def _document(kind: str, comparison: Comparison, command: str) -> str:
    match kind:
        case "csv":
            return csv_text(comparison)
        case "json":
            return f"{json_text(comparison)}\n"
        case "markdown":
            return markdown_text(comparison)
        case _:
            return _page(comparison, command)


def _page(comparison: Comparison, command: str) -> str:
    from cnnexp.compose import typed_again  # Hydra, which few comparisons need
    from cnnexp.report.comparison.html_page import page

    return page(comparison, command=command, typed_again=typed_again)


def _log(found: ComparedRuns) -> None:
    parents = {run.parent_id for run in found.runs} - {None}
    if len(parents) != 1 or any(run.parent_id is None for run in found.runs):
        raise ConfigError(
            f"--log needs the runs of one sweep, whose parent run it writes to; these are of {len(parents)}."
        )
    log_comparison(
        uri=found.uri,
        parent_id=str(*parents),
        page=_page(found.comparison, found.command),
        description=markdown_text(found.comparison),
    )
