"""What moves below the lasting lines: drawn on a terminal, and sent to a program that follows this process."""

import io
import threading
from collections.abc import Callable

from rich.console import Console, RenderableType
from rich.live import Live

from cnnexp.report.console import text_console
from cnnexp.system import caller

REFRESHES = 4  # per second: seen as moving, and costs training nothing


class MovingPart:
    """Shows again and again what `render` returns, where somebody looks; nowhere else."""

    def __init__(self, console: Console, render: Callable[[], RenderableType]) -> None:
        self._is_followed = caller.is_there()
        self._render = render
        self._live = Live(console=console, get_renderable=render, refresh_per_second=REFRESHES, transient=True)
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.is_shown = console.is_interactive or self._is_followed

    def start(self) -> None:
        """Begin; does nothing once begun, or where nobody looks."""
        if not self.is_shown:
            return
        if not self._is_followed:
            self._live.start()
        elif self._thread is None:
            self._thread = threading.Thread(target=self._send, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Take it away."""
        self._live.stop()
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
            caller.tell(caller.Moving(""))

    def _send(self) -> None:
        last = ""
        while not self._stopped.wait(1 / REFRESHES):
            text = io.StringIO()
            text_console(text).print(self._render(), end="")
            if (now := text.getvalue()) != last:
                caller.tell(caller.Moving(last := now))
