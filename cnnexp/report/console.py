"""The one console everything is written through: plain in a pipe, safe with any text and any encoding."""

import codecs
import io
import os
import sys
import unicodedata
from typing import IO, cast

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text
from rich.theme import Theme

from cnnexp.system.streams import QUIET, Output
from cnnexp.system.text import printable

# The colours of the terminal's own theme, which are chosen to be read on its background. "Bright black" is invisible on
# some dark themes: what is secondary is dim, and numbers that carry the message have no style at all.
THEME = Theme(
    {
        "title": "bold",
        "label": "cyan",
        "muted": "dim",
        "attention": "yellow",
        "command": "bold green",
        "finding": "bold yellow",
        "best": "bold green",
        "bar.complete": "cyan",
        "bar.finished": "cyan",
        "bar.back": "dim",
    }
)
# As wide as what they stand for, so that columns stay aligned; other letters lose their accents or become "?".
PLAIN_LETTERS = {"–": "-", "…": "~", "×": "x", "·": ".", "•": "*", "━": "=", "╸": "=", "╺": "-", "─": "-"}
CODEC_ERRORS = "cnnexp.plain"
TEXT_WIDTH = 100  # columns of what is not written to a screen


def open_console(*, required: bool = True) -> Console:
    """A console on standard output; class names are never read as markup, emoji or highlighting.

    It is a plain one in a pipe, in a file, and where ``CI`` is set; ``NO_COLOR`` leaves colours out. Letters that
    the output's encoding lacks are replaced. Where it is not `required`, as while a run is recorded, an output that
    cannot be written stops nothing, and ``CNNEXP_QUIET`` asks for none.
    """
    replace_letters()
    plain = bool(os.environ.get("CI"))
    return Console(
        quiet=not required and bool(os.environ.get(QUIET)),
        file=cast("IO[str]", Output(sys.stdout, required=required)),
        markup=False,
        emoji=False,
        highlight=False,
        theme=THEME,
        force_terminal=False if plain else None,
        # FORCE_COLOR in a pipe asks for colours, not for a bar that moves; a dumb terminal cannot move one
        force_interactive=False if plain or not sys.stdout.isatty() else None,
    )


def text_console(file: IO[str], *, width: int = TEXT_WIDTH) -> Console:
    """A console that writes plain text into a file, for what is kept or shown elsewhere."""
    return Console(
        file=file,
        width=width,
        theme=THEME,
        force_terminal=False,
        force_jupyter=False,  # in a kernel, rich would display it instead
        markup=False,
        emoji=False,
        highlight=False,
    )


def print_title(title: str) -> None:
    """Print the name of what follows, and is recorded."""
    open_console(required=False).print(Text(printable(title), style="title"))


def print_line(console: Console, text: Text, *, hanging: int = 4) -> None:
    """Print one line: broken between words on a terminal, the rest moved in by `hanging`, and whole anywhere else."""
    if not console.is_terminal:
        console.print(text, soft_wrap=True)
        return
    first, *rest = text.wrap(console, console.width - hanging) or [text]
    console.print(first, soft_wrap=True)
    for line in rest:
        console.print(Text(" " * hanging).append(line), soft_wrap=True)


def bar_width(console: Console) -> int:
    """How many columns of a terminal a bar may take beside what is said about it."""
    return min(36, max(8, console.width - 48))


def replace_letters() -> None:
    """Have standard output replace letters that its encoding lacks, instead of failing."""
    codecs.register_error(CODEC_ERRORS, _replace)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors=CODEC_ERRORS)


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_plain(letter) for letter in error.object[error.start : error.end]), error.end


def _plain(letter: str) -> str:
    if letter in PLAIN_LETTERS:
        return PLAIN_LETTERS[letter]
    base = unicodedata.normalize("NFKD", letter)[0]
    return base if base.isascii() else "?" * cell_len(letter)
