"""``cnnexp --help``: the text of ``conf/hydra/help``, laid out for the terminal's width, without importing Hydra."""

import re
import shutil
import textwrap
from collections.abc import Iterator

import yaml

from cnnexp.config.defaults import CONF
from cnnexp.system.streams import print_required

_WIDEST = 120  # columns; longer lines are read badly


def print_help() -> None:
    """Print the help; its columns stand below each other where they do not fit side by side."""
    file = CONF / "hydra" / "help" / "cnnexp.yaml"
    text = yaml.safe_load(file.read_text(encoding="utf-8"))["template"].replace("$$", "$")
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    print_required("\n".join(laid_out for line in text.rstrip().splitlines() for laid_out in fitted(line, width)))


def fitted(line: str, width: int) -> Iterator[str]:
    """Break a line between words, and first where its second column begins."""
    if len(line) <= width:
        yield line
        return
    indent, first, second = re.fullmatch(r"( *)(.*?\S)(?:  +(\S.*))?", line).groups()  # type: ignore[union-attr]
    for text, margin in ((first, indent), (second, f"{indent}    ")):
        if text is not None:
            yield from textwrap.wrap(
                text,
                width,
                initial_indent=margin,
                subsequent_indent=margin,
                break_long_words=False,
                break_on_hyphens=False,
            )
