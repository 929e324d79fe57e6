"""What was found out about recorded runs as one page that opens from disk: the causes first, with their evidence."""

from collections.abc import Sequence
from dataclasses import dataclass

from cnnexp.records import Finding, RunSummary
from cnnexp.report.pages import template
from cnnexp.report.run.findings import relations
from cnnexp.report.run.terminal import CAUSES
from cnnexp.system.text import plural


@dataclass(frozen=True, slots=True)
class DiagnosedRun:
    """A run and its findings, as the page shows them."""

    run: RunSummary
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> str:
        """Return the sentence above the findings."""
        if not self.findings:
            return "No check found a fault."
        first = self.findings[0]
        others = len(self.findings) - 1
        more = f" {plural(others, 'more finding follows', 'more findings follow')}." if others else ""
        return f"Most likely {first.title}: {first.sentence}{more}"


def findings_page(runs: Sequence[RunSummary], *, asked: str) -> str:
    """Return the page about runs, those that `asked` means; every name in it is escaped."""
    return template("run/findings_page.html.j2").render(
        asked=asked,
        runs=[DiagnosedRun(run, run.read_findings()) for run in runs],
        causes=CAUSES,
        relations=relations,
    )
