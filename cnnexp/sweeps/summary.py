"""The summary of a sweep: its runs compared, for the terminal and for the parent run in MLflow."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cnnexp.compose import typed_again
from cnnexp.report.sweep_progress import SweepReport
from cnnexp.sweeps.results import Results
from cnnexp.system import caller
from cnnexp.system.store_uri import StoreUri
from cnnexp.system.text import one_line, program
from cnnexp.tracking import OwnedRecord
from cnnexp.tracking.comparison_page import METRIC, PAGE, command_again, shortened
from cnnexp.tracking.receipt import open_command
from cnnexp.tracking.store.connection import absolute_uri

if TYPE_CHECKING:
    from cnnexp.comparison import Comparison


@dataclass(frozen=True, slots=True)
class SweepSummary:
    """What the parent run and the terminal get."""

    verdict: str  # one sentence; empty where nothing was compared
    basis: str  # what it rests on
    advice: tuple[str, ...]  # what to try where runs learned nothing
    description: str  # Markdown
    files: Mapping[str, bytes]  # of the parent run
    trouble: str  # why the runs could not be compared; empty where they were
    comparison: "Comparison | None" = None  # of which the terminal shows the ranking

    @property
    def metrics(self) -> Mapping[str, float]:
        """What the parent run shows beside its runs, under names of its own: how many learned, and the best setting."""
        if self.comparison is None:
            return {}
        best, endings = self.comparison.reference, self.comparison.endings
        validation = {} if best.objective is None else {"sweep/best_val_loss": best.objective.mean}
        counts = {"sweep/runs": endings.total, "sweep/learned_nothing": endings.failures}
        return {**counts, "sweep/best_test_accuracy": best.score.mean, **validation}


def summarize(results: Results) -> SweepSummary:
    """Return the summary of a sweep that was stopped, or that has not finished a run."""
    return SweepSummary("", "", (), results.description(), {}, "")


def summarize_with_comparison(results: Results, *, uri: str, parent_id: str) -> SweepSummary:
    """Compare the recorded runs of a sweep; where that fails, say so instead."""
    if not results.with_status("FINISHED"):
        return summarize(results)
    try:
        return _compared(absolute_uri(uri), parent_id)
    except Exception as error:  # whatever it is: the runs are recorded, and the summary says what failed
        reason = one_line(f"{type(error).__name__}: {error}")
        trouble = f"The runs are recorded, but comparing them failed ({reason}). `cnnexp compare` says more."
        return SweepSummary("", "", (), results.description(), {}, trouble)


def _compared(uri: str, parent_id: str) -> SweepSummary:
    from cnnexp.comparison import compare  # SciPy, which no sweep needs before its end
    from cnnexp.report.comparison import advice_sentences, basis, markdown_text, verdict
    from cnnexp.report.comparison.html_page import page
    from cnnexp.tracking.store.find_runs import find_runs

    comparison = compare(find_runs([parent_id], uri=uri), metric_name=METRIC, by=())
    again = command_again([parent_id], uri=uri, metric=METRIC, by=())
    return SweepSummary(
        verdict=verdict(comparison)[0],
        basis=basis(comparison),
        advice=advice_sentences(comparison),
        description=shortened(markdown_text(comparison)),
        files={PAGE: page(comparison, command=again, typed_again=typed_again).encode()},
        trouble="",
        comparison=comparison,
    )


SEEDS_FOR_A_VERDICT = 5  # as `cnnexp.comparison` has it, which imports SciPy


def seeds_note(varied: Mapping[str, str]) -> str:
    """Return, before anything runs, that there will be no verdict about settings; empty where there may be one."""
    if set(varied) <= {"seed"}:
        return ""
    written = varied.get("seed", "0")
    if not re.fullmatch(r"[\d\s,'\"]+", written):  # such as range(5), or a search
        found = re.fullmatch(r"range\((\d+)\)", written)
        seeds = int(found[1]) if found else SEEDS_FOR_A_VERDICT
    else:
        seeds = len(set(re.findall(r"\d+", written)))
    if seeds >= SEEDS_FOR_A_VERDICT:
        return ""
    return f"{seeds} for each setting; a verdict about settings needs {SEEDS_FOR_A_VERDICT}: 'seed=range(5)'"


def print_end(results: Results, summary: SweepSummary, report: SweepReport, lines: Sequence[tuple[str, str]]) -> None:
    """Print ranking of settings, verdict, what makes it unfair and what to type: a screen, whatever its runs."""
    unequal = results.unequal_steps()
    lines = [*lines[:2], *([("steps", unequal)] if unequal else []), *lines[2:]]
    comparison = summary.comparison
    if comparison is None:
        best = [("best", results.best_summary)] if results.best_summary else []
        report.closing([*best, *lines])
        return
    from cnnexp.report.comparison.ranking import print_ranking

    report.closing(lines, table=lambda console, count: print_ranking(comparison, console, lines=count))


def next_steps(
    summary: SweepSummary, others: Sequence[tuple[str, str]], *, uri: str, parent_id: str, stopped: bool = False
) -> list[tuple[str, str]]:
    """Return the verdict, `others` and what to type next, with labels; a sweep that was stopped can be resumed."""
    store = shlex.quote(f"tracking.uri={StoreUri(absolute_uri(uri)).masked}")
    return [
        *([("verdict", summary.verdict)] if summary.verdict else []),
        *([("basis", summary.basis)] if summary.basis else []),
        *([("advice", _advice(summary.advice))] if summary.advice else []),
        *([("trouble", summary.trouble)] if summary.trouble else []),
        *others,
        *([("resume", f"{program()} resume {parent_id[:12]} {store}")] if stopped else []),
        ("compare", f"{program()} compare {parent_id[:12]} {store}"),
        ("open", open_command(uri=absolute_uri(uri), run_id=parent_id)),
    ]


def _advice(sentences: Sequence[str]) -> str:
    """Return the first advice; the others are mostly the same for other settings."""
    more = len(sentences) - 1
    return sentences[0] if not more else f"{sentences[0]} (+{more} on the page)"


def tell_caller(record: OwnedRecord, *, uri: str) -> None:
    """Tell the program that follows this process, if one does, where the sweep is recorded."""
    reason = record.kept_reason
    folder = None if reason is None else record.folder
    caller.tell(caller.Recorded(record.run_id, absolute_uri(uri), folder, reason or ""))
