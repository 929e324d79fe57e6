"""What a run shows in a notebook while it happens: one output of its cell, which is replaced."""

import sys
from typing import Any, Self

from cnnexp.api.child_process import Printed
from cnnexp.system.caller import Moving

_LINES = 40  # that are shown, of what was printed: a sweep may print thousands


def in_notebook() -> bool:
    """Return whether this is the kernel of a notebook; IPython in a terminal is a terminal."""
    if "IPython" not in sys.modules:
        return False
    from IPython import get_ipython

    return hasattr(get_ipython(), "kernel")


class NotebookOutput:
    """One output of a cell: the last lines, and below them, within its block, what moves."""

    def __init__(self, handle: Any) -> None:  # noqa: ANN401 - a DisplayHandle of IPython, which has no types
        self._handle = handle
        self._lines: list[str] = []
        self._moving = ""

    @classmethod
    def begin(cls) -> Self:
        """Add an output to the cell that is executed."""
        from IPython.display import DisplayHandle

        handle = DisplayHandle()
        handle.display(_content("starting"), raw=True)
        return cls(handle)

    def show(self, message: Moving | Printed) -> None:
        """Show a line, or what moves instead of what moved before; a warning stays beside the result."""
        if isinstance(message, Moving):
            self._moving = message.text
        elif message.is_warning:
            print(message.text, file=sys.stderr)
            return
        else:
            self._lines = [*self._lines, message.text][-_LINES:]
        self.replace("\n".join([*self._lines, self._moving]))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.replace("\n".join(self._lines))

    def replace(self, text: str) -> None:
        """Show a text instead."""
        self._handle.update(_content(text), raw=True)


def _content(text: str) -> dict[str, str]:
    return {"text/plain": text.rstrip()}
