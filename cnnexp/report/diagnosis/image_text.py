"""The diagnosis of images in the terminal: a verdict each, what it rests on, and what to do."""

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cnnexp.diagnosis.image.confirm import Suspicion
from cnnexp.diagnosis.image.kinds import OTHER
from cnnexp.records import Finding
from cnnexp.report.prediction.answer_text import percent, set_text
from cnnexp.saved import Answer
from cnnexp.saved.image_diagnosis import Diagnosis, ImageDiagnosis, SetDiagnosis
from cnnexp.system.text import listed, plural, printable

_INDENT = (0, 2, 0, 2)
_DETAILED = 4  # images that are printed with their evidence; of more, a line each, because they are judged together


def print_diagnosis(console: Console, found: Diagnosis) -> None:
    """Print the verdict on all images together, then each image."""
    if found.together is not None:
        print_set(console, found.together)
    for image in found.images:
        if len(found.images) <= _DETAILED:
            print_image(console, image)
        else:
            console.print(Text(f"{printable(image.prediction.name)}: {_in_a_line(image)}"), soft_wrap=True)


def _in_a_line(image: ImageDiagnosis) -> str:
    answer = image.prediction.answer
    if answer is None or image.verdict is None:
        return f"not answered: {image.prediction.error}"
    return f"{printable(answer.label)} {percent(answer.probability)}, {printable(image.verdict.title)}"


def print_set(console: Console, found: SetDiagnosis) -> None:
    """Print the verdict on several images together."""
    console.print(Text(f"all {plural(found.suspicion.images, 'image')} together", style="title"))
    print_verdict(console, found.verdict)
    console.print()


def print_image(console: Console, image: ImageDiagnosis) -> None:
    """Print one image: its answer, its verdict, and the evidence."""
    answer = image.prediction.answer
    console.print(Text(printable(image.prediction.name), style="title"))
    if answer is None or image.verdict is None:
        console.print(Padding(Text(f"not answered: {image.prediction.error}", style="attention"), _INDENT))
        return
    print_verdict(console, image.verdict)
    for label, text in _rows(image, answer):
        if console.is_terminal:
            row = Table.grid(padding=(0, 1))
            row.add_column(min_width=9)
            row.add_row(Text(label, style="label"), Text(text))
            console.print(Padding(row, (0, 0, 0, 2)))
        else:
            console.print(f"  {label:<10}{text}", soft_wrap=True, markup=False, highlight=False)
    console.print()


def print_verdict(console: Console, verdict: Finding) -> None:
    """Print a verdict and what to do."""
    console.print(Padding(Text(printable(verdict.title), style="finding"), _INDENT))
    console.print(Padding(Text(printable(verdict.sentence)), (0, 2, 0, 4)))
    if verdict.repair:
        console.print(Padding(Text.assemble(("do  ", "label"), printable(verdict.repair)), (0, 2, 0, 4)))


def _rows(image: ImageDiagnosis, answer: Answer) -> list[tuple[str, str]]:
    said = f"{printable(answer.label)} {percent(answer.probability)}, still possible: {set_text(answer)}"
    rows = [("answer", said)]
    for one in image.undone:
        rows.append(("undone", f"with '{one.kind}' undone: {printable(one.label)} {percent(one.probability)}"))
    rows.append(("distance", _distance(answer.p_value)))
    for fact in image.facts:
        if fact is not image.verdict:
            rows.append(("file", f"{fact.title}: {fact.sentence}"))
    if image.suspicion is not None and (tried := _tried(image.suspicion)):
        rows.append(("tried", tried))
    if image.stable is not None:
        rows.append(("stability", f"{image.stable:.0%} of small shifts and changes of brightness keep the answer"))
    if image.nearest:
        named = (f"{printable(label)} ({printable(file)})" for file, label in image.nearest)
        rows.append(("nearest", listed(named, most=3)))
    if image.record is not None and image.record.recall is not None:
        confused = ", ".join(f"{printable(name)} ({count})" for name, count in image.record.confused_with)
        rows.append(
            (
                "class",
                f"{printable(image.record.name)}: {image.record.recall:.0%} of {image.record.images} test images right"
                + (f"; answered as {confused}" if confused else ""),
            )
        )
    return rows


def _distance(p_value: float | None) -> str:
    """Say how far an image is from the training images; `p_value`: share of ordinary images that are as far."""
    if p_value is None:
        return "from the training images: not known"
    return f"farther from the training images than {_nearly(1 - p_value)} of ordinary images (p = {p_value:.2g})"


def _nearly(share: float) -> str:
    """Return a share as a percentage that never rounds to all."""
    return f"{share:.1%}" if share > 0.99 else f"{share:.0%}"


def _tried(suspicion: Suspicion) -> str:
    """Return the kinds that are most probable, and whether the image looks like them; empty where it looks ordinary."""
    if not suspicion.is_accused:
        return f"{suspicion.clean_p:.0%} of ordinary images look more changed than it: no mismatch"
    parts = []
    for one in suspicion.candidates[:3]:
        name = "something without a name" if one.kind == OTHER else one.kind
        looks = "named" if one in suspicion.named else "possible" if one.is_possible else "does not look like it"
        parts.append(f"{name} {one.share:.0%}, {looks}")
    return "; ".join(parts)
