"""The one console everything is written through: plain in a pipe, safe with any text and any encoding."""

import codecs
import io
import os
import sys
import unicodedata

from rich.cells import cell_len
from rich.console import Console
from rich.theme import Theme

THEME = Theme(
    {
        "title": "bold",
        "label": "cyan",
        "muted": "bright_black",
        "attention": "yellow",
        "command": "bold green",
        "bar.complete": "cyan",
        "bar.finished": "cyan",
        "bar.back": "bright_black",
    }
)
# As wide as what they stand for, so that columns stay aligned; other letters lose their accents or become "?".
PLAIN_LETTERS = {"–": "-", "…": "~", "×": "x", "·": ".", "•": "*", "━": "=", "╸": "=", "╺": "-", "─": "-"}
CODEC_ERRORS = "cnnexp.plain"


def open_console() -> Console:
    """A console on standard output; class names are never read as markup, emoji or highlighting.

    It is a plain one in a pipe, in a file, and where ``CI`` is set; ``NO_COLOR`` leaves colours out. Letters that
    the output's encoding lacks are replaced.
    """
    codecs.register_error(CODEC_ERRORS, _replace)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors=CODEC_ERRORS)
    plain = bool(os.environ.get("CI"))
    return Console(
        markup=False,
        emoji=False,
        highlight=False,
        theme=THEME,
        force_terminal=False if plain else None,
        # FORCE_COLOR in a pipe asks for colours, not for a bar that moves; a dumb terminal cannot move one
        force_interactive=False if plain or not sys.stdout.isatty() else None,
    )


def _replace(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(_plain(letter) for letter in error.object[error.start : error.end]), error.end


def _plain(letter: str) -> str:
    if letter in PLAIN_LETTERS:
        return PLAIN_LETTERS[letter]
    base = unicodedata.normalize("NFKD", letter)[0]
    return base if base.isascii() else "?" * cell_len(letter)
