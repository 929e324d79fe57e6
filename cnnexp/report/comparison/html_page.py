"""A comparison as one interactive HTML page that opens from disk, without network."""

from markupsafe import Markup

from cnnexp.comparison.result import Comparison
from cnnexp.report.comparison.page_data import page_data
from cnnexp.report.comparison.page_document import Running
from cnnexp.report.comparison.page_scripts import import_map, packed_plotly, style
from cnnexp.report.comparison.table_cells import table
from cnnexp.report.comparison.train_again import TypedAgain
from cnnexp.report.comparison.wording import claims_text, legend
from cnnexp.report.pages import template

_ROWS_WITHOUT_SCRIPTS = 100


def page(
    comparison: Comparison, *, command: str, running: Running | None = None, typed_again: TypedAgain | None = None
) -> str:
    """The whole page; ``command`` makes it again. Everything recorded is escaped.

    What a reader without scripts needs stands in it: the verdict, what to mind, and the table. ``running`` tells of a
    sweep that has not ended: instead of a verdict, which would be one of many looks. Such a page renews itself from the
    server that it came from. ``typed_again`` knows the commands that train single runs again.
    """
    cells = table(comparison)
    data = page_data(comparison, command=command, running=running, typed_again=typed_again)
    return template("comparison/page.html.j2").render(
        comparison=comparison,
        verdict=data.verdict,
        advice=data.advice,
        legend=legend(comparison),
        claims=claims_text(),
        left_out=data.left_out,
        table=cells,
        rows=[] if running else cells.rows[:_ROWS_WITHOUT_SCRIPTS],
        command=command,
        style=Markup(style()),
        data=Markup(data.as_json()),
        dropped=data.dropped,
        import_map=Markup(import_map()),
        plotly=Markup(packed_plotly()),
    )


def waiting_page(running: str) -> str:
    """A page that asks for itself again until there is something to compare."""
    return template("comparison/waiting.html.j2").render(running=running)
