"""A record that is delivered while it is still growing."""

import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from cnnexp.errors import TrackingError
from cnnexp.tracking.delivery import Delivery
from cnnexp.tracking.locks import locked
from cnnexp.tracking.outbox import remove

_PAUSE = 5.0  # seconds without an attempt after one that failed
_LAST_WORDS = 1.0  # seconds in which the kernel takes a dead process's locks away


class LiveRecord:
    """Held alone from the first visit on, so that nobody else delivers it meanwhile."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held = ExitStack()
        self._delivery: Delivery | None = None
        self._opened = False
        self._complete = False
        self._not_before = 0.0

    def visit(self, *, ended: bool) -> Iterator[dict[str, Any]]:
        """Deliver what there is by now and yield what the training process should know of it."""
        if not self._complete and (ended or time.monotonic() >= self._not_before):
            try:
                yield from self._advance(ended=ended)
            except Exception as error:  # whatever it is: training and the other records go on, and this one is kept
                yield from self._failed(error, ended=ended)
        if ended:
            self._held.close()

    def _advance(self, *, ended: bool) -> Iterator[dict[str, Any]]:
        if self._delivery is None:
            self._held.enter_context(locked(self._folder, patience=0.0))
            self._delivery = Delivery(self._folder)
        self._complete = self._delivery.advance()
        if not self._opened and self._delivery.progress.run_id is not None:
            self._opened = True
            yield {"event": "opened", "run_id": self._delivery.run_id}
        if self._complete:
            remove(self._folder)
            yield {"event": "delivered", "run_id": self._delivery.progress.run_id}
        elif ended:
            yield {"event": "kept", "reason": "The record has no end."}

    def _failed(self, error: Exception, *, ended: bool) -> Iterator[dict[str, Any]]:
        self._not_before = time.monotonic() + _PAUSE
        if not isinstance(error, TrackingError):
            traceback.print_exception(error)
        reason = str(error) or type(error).__name__
        if ended:
            yield {"event": "kept", "reason": reason}
        elif not self._opened:
            yield {"event": "refused", "reason": reason}

    def abandoned(self) -> None:
        """Deliver what a training process left that died without a word."""
        deadline = time.monotonic() + _LAST_WORDS
        while time.monotonic() < deadline and self._folder.exists():
            for _ in self.visit(ended=True):
                continue
            time.sleep(_LAST_WORDS / 10)
