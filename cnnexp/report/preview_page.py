"""Training images plain, after each kind of change, and after all: an HTML page that opens from disk."""

from cnnexp.records import Preview
from cnnexp.report.kinds import grid, kinds_alone
from cnnexp.report.pages import template
from cnnexp.system.text import plural

_SIDE = 1000  # pixels of a picture of many images, at most


def preview_page(preview: Preview, *, name: str, command: str) -> str:
    """Return the whole page as HTML, with every name escaped; `command` makes it again."""
    height, width, _ = preview.plain.shape[1:]
    return template("preview_page.html.j2").render(
        name=name,
        about=f"{plural(len(preview.plain), 'training image')}, {width} × {height} pixels",
        augmentation=str(preview.augmentation),
        classes=preview.class_names,
        files=", ".join(preview.files),
        plain=grid(preview.plain[None], _SIDE),
        alone=kinds_alone(preview, side=_SIDE),
        together=None if preview.together is None else grid(preview.together, _SIDE),
        command=command,
    )
