"""The data check in the terminal: a table of what is remarkable, the images by name, and whether it stops a run."""

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cnnexp.printable import printable
from cnnexp.records import DataImage, DataIssue, DataReport

MOST_GROUPS_NAMED = 5  # of an issue that are named; all of them are in the JSON and, as pictures, on the page


def print_report(console: Console, report: DataReport) -> None:
    """Print it; what stops a run comes first."""
    console.print(Text.assemble((printable(report.name), "title"), f", {about(report)}"))
    console.print(Padding.indent(Text(printable(report.source), style="aside"), 2))
    console.print(Padding.indent(Text(splits(report)), 2))
    console.print()
    if report.issues:
        console.print(Padding.indent(_table(report), 2))
        for issue in report.issues:
            _print_images(console, issue)
        console.print()
    else:
        console.print(Padding.indent(Text(f"looked at: {'; '.join(report.checks)}", style="aside"), 2))
        console.print()
    console.print(Text(verdict(report), style="attention" if stopping(report) else "title"))


def about(report: DataReport) -> str:
    """Say how much there is of it."""
    size = " × ".join(map(str, report.input_shape))
    return f"{report.images:,} images, {len(report.class_names):,} classes, read as {size}"


def splits(report: DataReport) -> str:
    """Say how many images are in each split."""
    return ", ".join(f"{split} {sum(counts):,}" for split, counts in report.class_counts.items())


def verdict(report: DataReport) -> str:
    """Say in a sentence how the data set fared."""
    if not report.issues:
        return "Nothing is remarkable about this data set."
    number = len(report.issues)
    things = "One thing is" if number == 1 else f"{number} things are"
    if reasons := stopping(report):
        return f"{things} remarkable; a run is stopped by {' and '.join(reasons)}."
    return f"{things} remarkable, nothing stops a run."


def stopping(report: DataReport) -> list[str]:
    """Name what makes a run meaningless."""
    return [issue.title for issue in report.issues if issue.stops]


def named(image: DataImage) -> str:
    """Name an image, its place, and what is remarkable about it."""
    place = f"{image.split}, {image.label}" if image.split else image.label
    return f"{image.file} ({place})" + (f": {image.note}" if image.note else "")


def _table(report: DataReport) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="label")
    table.add_column("fault", no_wrap=True, style="aside")
    table.add_column("what", max_width=24, overflow="fold")
    table.add_column("stops", no_wrap=True)
    table.add_column("in words", overflow="fold")
    for issue in report.issues:
        title = Text(printable(issue.title), style="bold yellow")
        table.add_row(issue.id, title, "yes" if issue.stops else "", f"{printable(issue.sentence)} → {issue.repair}")
    return table


def _print_images(console: Console, issue: DataIssue) -> None:
    if not issue.groups:
        return
    console.print()
    console.print(Padding.indent(Text(printable(issue.title), style="label"), 2))
    for group in issue.groups[:MOST_GROUPS_NAMED]:
        console.print(Text("    " + printable(" | ".join(map(named, group)))), soft_wrap=True)
    if len(issue.groups) > MOST_GROUPS_NAMED:
        rest = len(issue.groups) - MOST_GROUPS_NAMED
        console.print(Text(f"    and {rest:,} more: --html shows them, --json lists them", style="aside"))
