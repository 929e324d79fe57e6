"""The data report, in the terminal and as a page: the issues, the images concerned, and whether a run is stopped."""

from dataclasses import dataclass

from markupsafe import Markup
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from cnnexp.records import SPLIT_NAMES, DataImage, DataIssue, DataReport, Images
from cnnexp.report import svg
from cnnexp.report.console import print_line
from cnnexp.report.pages import picture, template
from cnnexp.system.text import listed, plural, printable

TABLE_FROM = 100  # columns of the terminal
MOST_GROUPS_NAMED = 5  # of an issue, in the terminal; all of them are in the JSON
MOST_IMAGES_NAMED = 5  # of such a group
MOST_GROUPS_SHOWN = 60  # of an issue, on the page
MOST_IMAGES = 12  # of a group
MOST_CLASSES = 40  # in the chart
COLORS = {"train": "#0072b2", "validation": "#56b4e9", "calibration": "#e69f00", "test": "#009e73"}
_BAR, _ROW, _NAMES, _WIDTH = 12.0, 22.0, 150.0, 720.0  # pixels
_PICTURE = 112  # pixels of a side


def print_report(console: Console, report: DataReport) -> None:
    """Print a report; issues that stop a run come first."""
    console.print(Text.assemble((printable(report.name), "title"), f", {about(report)}"))
    console.print(Padding.indent(Text(printable(report.source), style="muted"), 2))
    console.print(Padding.indent(Text(splits(report)), 2))
    console.print()
    if report.issues:
        console.print(Padding.indent(_table(report) if console.width >= TABLE_FROM else _list(report), 2))
        for issue in report.issues:
            _print_images(console, issue)
        console.print()
    else:
        console.print(Padding.indent(Text(f"checked: {'; '.join(report.checks)}", style="muted"), 2))
        console.print()
    if report.notes:
        console.print(Padding.indent(_notes(report), 2))
        console.print()
    console.print(Text(verdict(report), style="attention" if stopping(report) else "title"))


def about(report: DataReport) -> str:
    """Return the size of the data set, in words."""
    size = " × ".join(map(str, report.input_shape))
    return f"{plural(report.images, 'image')}, {plural(len(report.class_names), 'class')}, read as {size}"


def splits(report: DataReport) -> str:
    """Return the number of images in each split, in words."""
    return ", ".join(f"{split} {sum(counts):,}" for split, counts in report.class_counts.items())


def verdict(report: DataReport) -> str:
    """Return a sentence that sums up the issues."""
    if not report.issues:
        return f"Nothing {'else ' if report.notes else ''}is remarkable about this data set."
    number = len(report.issues)
    things = "One thing is" if number == 1 else f"{number} things are"
    if reasons := stopping(report):
        return f"{things} remarkable; a run is stopped by {' and '.join(reasons)}."
    return f"{things} remarkable, nothing stops a run."


def stopping(report: DataReport) -> list[str]:
    """Return the titles of the issues that make a run meaningless."""
    return [issue.title for issue in report.issues if issue.stops]


def named(image: DataImage) -> str:
    """Return the file of an image, its split and class, and what is remarkable about it."""
    place = f"{image.split}, {image.label}" if image.split else image.label
    return f"{image.file} ({place})" + (f": {image.note}" if image.note else "")


def _table(report: DataReport) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="label")
    table.add_column("fault", no_wrap=True, style="muted")
    table.add_column("what", max_width=24, overflow="fold")
    table.add_column("stops", no_wrap=True)
    table.add_column("description", overflow="fold")
    for issue in report.issues:
        title = Text(printable(issue.title), style="finding")
        table.add_row(issue.id, title, "yes" if issue.stops else "", f"{printable(issue.sentence)} → {issue.repair}")
    return table


def _list(report: DataReport) -> Table:
    """The same one below the other, for a narrow terminal."""
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="muted")
    table.add_column(overflow="fold")
    for issue in report.issues:
        stops = ", stops a run" if issue.stops else ""
        table.add_row(issue.id, Text.assemble((printable(issue.title), "finding"), stops))
        table.add_row("", f"{printable(issue.sentence)} → {issue.repair}")
    return table


def _notes(report: DataReport) -> Table:
    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(no_wrap=True, style="label")
    table.add_column(overflow="fold")
    for note in report.notes:
        table.add_row("note", Text(printable(note)))
    return table


def _print_images(console: Console, issue: DataIssue) -> None:
    if not issue.groups:
        return
    console.print()
    console.print(Padding.indent(Text(printable(issue.title), style="label"), 2))
    for group in issue.groups[:MOST_GROUPS_NAMED]:
        images = listed(map(named, group), most=MOST_IMAGES_NAMED, separator=" | ")
        print_line(console, Text(f"    {printable(images)}"), hanging=6)
    if len(issue.groups) > MOST_GROUPS_NAMED:
        rest = len(issue.groups) - MOST_GROUPS_NAMED
        console.print(Text(f"    and {rest:,} more: --html shows them, --json lists them", style="muted"))


@dataclass(frozen=True, slots=True)
class Shown:
    """One image on the page."""

    image: DataImage
    source: str | None  # data URI; None: it has no pixels


@dataclass(frozen=True, slots=True)
class Section:
    """One issue on the page."""

    issue: DataIssue
    groups: tuple[tuple[Shown, ...], ...]
    more: int  # groups that are not shown


def page(report: DataReport, images: Images, *, command: str) -> str:
    """Return the whole page as HTML, with every name escaped; `command` makes it again."""
    return template("data_page.html.j2").render(
        report=report,
        about=about(report),
        verdict=verdict(report),
        stopping=stopping(report),
        sections=[_section(issue, images) for issue in report.issues],
        chart=Markup(class_chart(report)),
        colors={split: COLORS[split] for split in report.class_counts if any(report.class_counts[split])},
        more_classes=max(0, len(report.class_names) - MOST_CLASSES),
        most_images=MOST_IMAGES,
        command=command,
    )


def _section(issue: DataIssue, images: Images) -> Section:
    groups = tuple(tuple(_shown(image, images, issue) for image in group) for group in issue.groups[:MOST_GROUPS_SHOWN])
    return Section(issue, groups, more=max(0, len(issue.groups) - MOST_GROUPS_SHOWN))


def _shown(image: DataImage, images: Images, issue: DataIssue) -> Shown:
    return Shown(image, None if issue.id == "D1" else picture(images[image.row], side=_PICTURE))


def class_chart(report: DataReport) -> str:
    """Draw a bar for each class, stacked by split."""
    names = report.class_names[:MOST_CLASSES]
    totals = [sum(counts[place] for counts in report.class_counts.values()) for place in range(len(names))]
    scale = svg.Scale(0, max([*totals, 1]), _NAMES, _WIDTH - 60)
    rows = [_bars(report, place, total, scale) for place, total in enumerate(totals)]
    return svg.picture(_WIDTH, _ROW * len(names), *rows, label="images of each class, by split")


def _bars(report: DataReport, place: int, total: int, scale: svg.Scale) -> str:
    top, done, parts = _ROW * place + (_ROW - _BAR) / 2, 0, []
    for split in SPLIT_NAMES:
        count = report.class_counts[split][place]
        left, right = scale(done), scale(done + count)
        hint = svg.tooltip(f"{report.class_names[place]}, {split}: {count:,}")
        width = right - left
        parts.append(svg.element("rect", hint, x=left, y=top, width=width, height=_BAR, fill=COLORS[split]))
        done += count
    name = report.class_names[place]
    short = name if len(name) <= 22 else name[:21] + "…"
    base = top + _BAR - 2
    label = svg.text(_NAMES - 10, base, short, class_="label", text_anchor="end")
    return "".join([label, *parts, svg.text(scale(done) + 8, base, f"{total:,}", class_="tick")])
