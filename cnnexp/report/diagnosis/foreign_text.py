"""What a foreign model wants, in the terminal."""

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from cnnexp.diagnosis.foreign.preprocessing import FACTORS, said_of
from cnnexp.diagnosis.foreign.search import Step
from cnnexp.diagnosis.foreign.verdict import CLASS_ORDER, wanted_sentences
from cnnexp.records import Finding
from cnnexp.report.console import print_line
from cnnexp.report.diagnosis.image_text import print_verdict
from cnnexp.saved.foreign_diagnosis import ForeignDiagnosis
from cnnexp.system.text import printable

_LISTED = 20  # classes with their output


def print_foreign(console: Console, found: ForeignDiagnosis, findings: Sequence[Finding]) -> None:
    """Print what a model wants, what is wrong with how it is given images, and how to prepare them."""
    console.print(Text(printable(str(found.model.path)), style="title"))
    print_line(console, Text(f"  {found.model.said}"), hanging=2)
    console.print(Padding(Text(printable(" ".join(wanted_sentences(found.wanted, form=found.form)))), (1, 2, 1, 2)))
    for finding in findings:
        print_verdict(console, finding)
    if not found.wanted.is_known:
        return
    for step in found.wanted.steps:
        _print_step(console, step)
    console.print()
    console.print(Text("how to prepare an image", style="title"))
    for line in found.recipe:
        console.print(Text(f"  {line}"), soft_wrap=not console.is_terminal)
    console.print()
    console.print(Text("its outputs", style="title"))
    named = [f"{place} {name}" for place, name in enumerate(found.class_names[:_LISTED])]
    more = len(found.class_names) - _LISTED
    print_line(console, Text("  " + printable(", ".join(named) + (f" and {more} more" if more > 0 else ""))), hanging=2)
    console.print()


def _print_step(console: Console, step: Step) -> None:
    name = FACTORS.get(step.factor, step.factor)
    console.print(Text.assemble("  ", (name, "label"), "" if step.is_told else "  cannot be told"))
    for row in step_rows(step):
        print_line(console, Text(f"    {row}"), hanging=8)


def step_rows(step: Step) -> list[str]:
    """Return a line for each choice of a step: its accuracy, and whether it is excluded."""
    rows = []
    for option in step.options:
        said = option_text(step, option.name)
        verdict = (
            "chosen" if option.chosen else f"p {p_text(option.p_value)}" + (", excluded" if option.is_excluded else "")
        )
        rows.append(f"{option.accuracy:>4.0%}  {said}  ({verdict})")
    return rows


def option_text(step: Step, name: str) -> str:
    """Return a choice in words."""
    if step.factor == CLASS_ORDER:
        return "as the folders and names say" if name == "as named" else "as listed below"
    return said_of(step.factor, name)


def p_text(p_value: float) -> str:
    """Return a p-value as people write it."""
    return "< 0.001" if p_value < 0.001 else f"= {p_value:.2g}"
