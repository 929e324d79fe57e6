"""Class names as they can be drawn: not too long, and in a font that has their letters."""

from collections.abc import Sequence
from functools import cache
from unicodedata import east_asian_width

from matplotlib.font_manager import findfont, fontManager, get_font

LATIN = "DejaVu Sans"  # comes with Matplotlib
# the usual fonts with Chinese, Japanese and Korean letters, of Linux, macOS and Windows
FAR_EASTERN = ("Noto Sans CJK", "Noto Sans SC", "WenQuanYi", "Droid Sans Fallback", "Arial Unicode MS", "SimHei")


def drawable(names: Sequence[str], *, limit: int) -> tuple[str, ...]:
    """Each name in at most `limit` letters; ``#3`` for the fourth if no installed font has its letters."""
    return tuple(
        shorten(name, limit) if all(_has_letter(letter) for letter in name) else f"#{index}"
        for index, name in enumerate(names)
    )


def shorten(name: str, limit: int) -> str:
    """Cut out of the middle: names often begin alike and differ at the end."""
    if len(name) <= limit:
        return name
    tail = (limit - 1) // 2
    return name[: limit - 1 - tail].rstrip() + "…" + name[len(name) - tail :].lstrip()


def width(text: str, size: float) -> float:
    """About how many inches `text` takes at `size` points."""
    letters = sum(1.0 if east_asian_width(letter) in "WF" else 0.6 for letter in text)
    return letters * size / 72


@cache
def families() -> tuple[str, ...]:
    """The fonts to look for a letter in, in this order."""
    installed = fontManager.get_font_names()
    return (LATIN, *(font for wanted in FAR_EASTERN for font in installed if font.startswith(wanted)))


@cache
def _has_letter(letter: str) -> bool:
    if not letter.isprintable():
        return False
    return any(get_font(findfont(family)).get_char_index(ord(letter)) for family in families())
