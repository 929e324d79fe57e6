"""``cnnexp.compare``: is B really better than A, as tables, figures and sentences."""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cnnexp.cli.compare import find_and_compare
from cnnexp.comparison import Comparison
from cnnexp.report.comparison import (
    advice_sentences,
    configuration_lines,
    effect_lines,
    importance_lines,
    model_lines,
    print_comparison,
    slice_lines,
    verdict,
)
from cnnexp.report.console import text_console
from cnnexp.tracking.comparison_page import METRIC

if TYPE_CHECKING:
    import pandas as pd


def compare(target: str, *targets: str, by: str | Sequence[str] = (), metric: str = METRIC) -> "ComparedRuns":
    """Compare recorded runs, as ``cnnexp compare`` does.

    Args:
        target: The id or name of a run, a sweep or an experiment, or ``latest``.
        targets: More of them, such as two runs, and perhaps ``tracking.uri=URI``, where they are recorded elsewhere.
        by: The settings to compare, such as ``["model", "optimizer"]`` or ``"model,optimizer"``; empty: all that vary.
        metric: What is compared, such as ``test/macro_f1``.

    Returns:
        The comparison; where the runs cannot be compared, its verdict and its refusals say why.

    Raises:
        TargetError: There is no store, or a target names nothing or several things.
        ConfigError: No finished run has the metric, or a setting in `by` is unknown.

    """
    settings = [name for name in by.split(",") if name] if isinstance(by, str) else list(by)
    found = find_and_compare((target, *targets), by=settings, metric=metric)
    return ComparedRuns(found.comparison, found.command)


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class ComparedRuns:
    """What a comparison found; in a notebook it shows verdict, tables and still charts."""

    comparison: Comparison  # every record
    command: str  # makes the page

    @property
    def verdict(self) -> str:
        """The answer, and what it is based on."""
        return " ".join(verdict(self.comparison))

    @property
    def configurations(self) -> "pd.DataFrame":
        """One row for each setting, averaged over seeds, the reference first: scores, intervals, standing, runs."""
        return _table(configuration_lines(self.comparison))

    @property
    def effects(self) -> "pd.DataFrame":
        """What each level of a setting changes, everything else and the seed held; positive is better."""
        return _table(effect_lines(self.comparison))

    @property
    def models(self) -> "pd.DataFrame":
        """The best trained model of each row against the reference's, on the same test images; positive is better."""
        return _table(model_lines(self.comparison))

    @property
    def importance(self) -> "pd.DataFrame":
        """The share of the variance between runs that each setting (`against`) explains, 0..1, the largest first."""
        return _table(importance_lines(self.comparison))

    @property
    def slices(self) -> "pd.DataFrame":
        """The accuracy of the best model in each part of the test images (`against`) minus that outside of it."""
        return _table(slice_lines(self.comparison))

    @property
    def left_out(self) -> "pd.DataFrame":
        """Runs that could not be compared, and why."""
        lines = [{"run": run.run_id, "name": run.name, "reason": reason} for run, reason in self.comparison.left_out]
        return _table(lines, columns=("run", "name", "reason"))

    @property
    def refusals(self) -> tuple[str, ...]:
        """Why no verdict may be given, such as different test images; empty: it may."""
        return self.comparison.refusals

    @property
    def warnings(self) -> tuple[str, ...]:
        """What else differs between the runs."""
        return self.comparison.warnings

    @property
    def advice(self) -> tuple[str, ...]:
        """What to try where runs learned nothing."""
        return advice_sentences(self.comparison)

    def html(self) -> str:
        """Return the comparison's page, which opens without network."""
        from cnnexp.compose import typed_again  # Hydra, which few comparisons need
        from cnnexp.report.comparison.html_page import page

        return page(self.comparison, command=self.command, typed_again=typed_again)

    def __repr__(self) -> str:
        text = io.StringIO()
        print_comparison(self.comparison, text_console(text))
        return text.getvalue()

    def _repr_html_(self) -> str:
        from cnnexp.compose import typed_again
        from cnnexp.report.comparison.notebook_fragment import fragment

        return fragment(self.comparison, command=self.command, typed_again=typed_again)


def _table(lines: Sequence[dict[str, Any]], *, columns: Sequence[str] = ()) -> "pd.DataFrame":
    """Return lines as a table without what says that they are of one kind."""
    import pandas as pd

    return pd.DataFrame([{k: v for k, v in line.items() if k != "kind"} for line in lines], columns=columns or None)
