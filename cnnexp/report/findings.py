"""The findings: what is wrong with the run, how that is known, and what should repair it."""

import re
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from cnnexp.printable import printable
from cnnexp.records import Finding

CAUSES = {1: "data", 2: "fit", 3: "training", 4: "metrics", 5: "image"}
MOST_EVIDENCE = 6  # numbers; all of them are in findings.json
OVERRIDE = re.compile(r"[+~]*[\w./@-]+=\S+")


def print_findings(console: Console, findings: Sequence[Finding]) -> None:
    """Print each finding with its numbers and a repair that can be copied; say so when there is none."""
    if not findings:
        console.print(Text.assemble(("findings", "title"), ": none, no check found a fault"))
    else:
        console.print(Text("findings", style="title"))
    for finding in findings:
        _print_finding(console, finding)
    console.print()


def _print_finding(console: Console, finding: Finding) -> None:
    about = f"  {CAUSES[finding.cause]}, {100 * finding.confidence:.0f} % sure"
    console.print(Text.assemble("  ", (printable(finding.title), "bold yellow"), (about, "aside")))
    console.print(Padding(Text(printable(finding.sentence)), (0, 2, 0, 4)))
    if finding.evidence:
        console.print(Padding(Text(_evidence(finding.evidence), style="aside"), (0, 2, 0, 4)))
    if finding.repair:
        # never wrapped: half a command cannot be copied
        word = "add" if _is_override(finding.repair) else "do"
        style = "command" if word == "add" else ""
        line = Text.assemble("    ", (f"{word:<5}", "label"), (printable(finding.repair), style))
        console.print(line, soft_wrap=True)


def _evidence(evidence: Mapping[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in list(evidence.items())[:MOST_EVIDENCE])


def _is_override(repair: str) -> bool:
    return all(OVERRIDE.fullmatch(word) for word in repair.split())
