"""``cnnexp --help``: the text of ``conf/hydra/help``, laid out for the terminal's width, without importing Hydra."""

import re
import shutil
import textwrap
from collections.abc import Iterator

import yaml

from cnnexp.config import quote
from cnnexp.config.defaults import CONF
from cnnexp.config.extended import Extension, all_added
from cnnexp.extensions.config_class import own_defaults, own_fields
from cnnexp.system.streams import print_required

_WIDEST = 120  # columns; longer lines are read badly


def print_help() -> None:
    """Print the help; its columns stand below each other where they do not fit side by side."""
    file = CONF / "hydra" / "help" / "cnnexp.yaml"
    text = yaml.safe_load(file.read_text(encoding="utf-8"))["template"].replace("$$", "$")
    text = with_added(text)
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    print_required("\n".join(laid_out for line in text.rstrip().splitlines() for laid_out in fitted(line, width)))


def with_added(text: str) -> str:
    """Return the help with the options that users have added: in the lines of their groups, and with their settings."""
    if not all_added():
        return text
    for one in all_added():
        text = re.sub(rf"^( +{one.group} {{2,}}\S.*)$", rf"\1, {one.name}", text, count=1, flags=re.MULTILINE)
    return "\n".join([text.rstrip(), "", "Added by --extend:", "", *map(_described, all_added())])


def _described(one: Extension) -> str:
    """Return an option with the first line of its documentation, its settings with their defaults, and its file."""
    own = own_defaults(one)
    settings = [f"{one.group}.{name}={quote(own[name]) if name in own else '?'}" for name in own_fields(one)]
    about = (one.function.__doc__ or "").strip().partition("\n")[0].rstrip(".")
    text = ". ".join(filter(None, (about, ", ".join(settings), f"From {one.code.argument}")))
    return f"  {f'{one}':<20}  {text}"


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
