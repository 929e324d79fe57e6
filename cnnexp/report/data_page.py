"""The data check as one HTML page that opens from disk, with the images it speaks of, without network or scripts."""

from dataclasses import dataclass

from markupsafe import Markup

from cnnexp.records import SPLIT_NAMES, DataImage, DataIssue, DataReport, Images
from cnnexp.report import svg
from cnnexp.report.data_check import about, stopping, verdict
from cnnexp.report.pages import template
from cnnexp.report.prediction_page import picture

MOST_GROUPS_SHOWN = 60  # of an issue that are shown: more would not be looked at
MOST_IMAGES = 12  # of a group
MOST_CLASSES = 40  # in the chart
COLORS = {"train": "#0072b2", "validation": "#56b4e9", "calibration": "#e69f00", "test": "#009e73"}
_BAR, _ROW, _NAMES, _WIDTH = 12.0, 22.0, 150.0, 720.0  # pixels


@dataclass(frozen=True, slots=True)
class Shown:
    """One image on the page."""

    image: DataImage
    source: str | None  # address of its picture inside the page; None: it has no pixels


@dataclass(frozen=True, slots=True)
class Section:
    """One issue on the page."""

    issue: DataIssue
    groups: tuple[tuple[Shown, ...], ...]
    more: int  # groups that are not shown


def page(report: DataReport, images: Images, *, command: str) -> str:
    """Write the whole page; `command` makes it again. Every name is escaped."""
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
    return Shown(image, None if issue.id == "D1" else picture(images[image.row]))


def class_chart(report: DataReport) -> str:
    """Draw a bar for each class, its images of every split one after the other."""
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
