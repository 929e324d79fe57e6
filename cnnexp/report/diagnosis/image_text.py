"""The diagnosis of images in the terminal: a verdict each, what it rests on, and what to do."""

from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from cnnexp.records import Finding
from cnnexp.report.prediction.answer_text import percent, set_text
from cnnexp.saved import Answer
from cnnexp.saved.image_diagnosis import ImageDiagnosis
from cnnexp.system.text import listed, printable

_INDENT = (0, 2, 0, 2)


def print_image(console: Console, image: ImageDiagnosis) -> None:
    """Print one image: its answer, its verdict, and the evidence."""
    answer = image.prediction.answer
    console.print(Text(printable(image.prediction.name), style="title"))
    if answer is None or image.verdict is None:
        console.print(Padding(Text(f"not answered: {image.prediction.error}", style="attention"), _INDENT))
        return
    print_verdict(console, image.verdict)
    for label, text in _rows(image, answer):
        console.print(Text.assemble("  ", (f"{label:<10}", "label"), text), soft_wrap=not console.is_terminal)
    console.print()


def print_verdict(console: Console, verdict: Finding) -> None:
    """Print a verdict and what to do."""
    console.print(Padding(Text(printable(verdict.title), style="finding"), _INDENT))
    console.print(Padding(Text(printable(verdict.sentence)), (0, 2, 0, 4)))
    if verdict.repair:
        console.print(Padding(Text.assemble(("do  ", "label"), printable(verdict.repair)), (0, 2, 0, 4)))


def _rows(image: ImageDiagnosis, answer: Answer) -> list[tuple[str, str]]:
    said = f"{printable(answer.label)} {percent(answer.probability)}, set {set_text(answer)}"
    distance = "not known" if answer.p_value is None else f"p = {answer.p_value:.2g}"
    rows = [("answer", said), ("distance", f"{distance} to be as far from the training images as it is")]
    for fact in image.facts:
        if fact is not image.verdict:
            rows.append(("file", f"{fact.title}: {fact.sentence}"))
    if image.nearest:
        named = (f"{printable(label)} {printable(file)}" for file, label in image.nearest)
        rows.append(("nearest", listed(named, most=3)))
    if image.record is not None and image.record.recall is not None:
        confused = ", ".join(f"{printable(name)} {count}" for name, count in image.record.confused_with)
        rows.append(
            (
                "class",
                f"{printable(image.record.name)}: {image.record.recall:.0%} of {image.record.images} test images right"
                + (f"; answered as {confused}" if confused else ""),
            )
        )
    return rows
