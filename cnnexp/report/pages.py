"""The templates of the HTML pages; what is put into one is escaped, and holds no control characters."""

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from cnnexp.printable import printable


def template(name: str) -> Template:
    """Return a template of this package."""
    environment = Environment(
        loader=PackageLoader("cnnexp.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        finalize=_without_control_characters,
    )
    return environment.get_template(name)


def _without_control_characters(value: object) -> object:
    """Leave markup and numbers as they are; a line break is a space to HTML."""
    return printable(value, keep="\n") if type(value) is str else value
