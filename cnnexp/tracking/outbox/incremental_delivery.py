"""The delivery of a record that is still growing: attempts, the pauses between them, and what is answered."""

import dataclasses
import time
import traceback
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from cnnexp.errors import StoreUnavailableError, TrackingError
from cnnexp.system.locks import locked_folder
from cnnexp.tracking.outbox.delivery import Delivery
from cnnexp.tracking.outbox.delivery_client import Answer
from cnnexp.tracking.outbox.record_folder import Progress, remove

_PAUSES = (1.0, 2.0, 5.0)  # seconds before the next attempt after one, two, and more that failed
_PATIENCE_OPENING = 60.0  # seconds for which a store may fail before it has the run; then training would be in vain
_PATIENCE_ENDED = 30.0  # seconds for which it may fail at the end, while somebody waits
TAKEN = "Another process is delivering the record."
ENDLESS = "The record has no end."
RELEASE = 1.0  # seconds in which the kernel releases the locks of a process that died


class IncrementalDelivery:
    """The delivery of one record; it holds the record's lock from its first attempt on.

    A store that fails at the moment is asked again: once it has the run, for as long as the run is going on.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = ExitStack()
        self._delivery: Delivery | None = None
        self.last: Delivery | None = None  # kept when it is over, too
        self._ended = False  # the record grows no more
        self._opened = False  # the recording process knows the run's id
        self._complete = False
        self._failures = 0  # without anything delivered in between
        self._failing_since = 0.0  # monotonic seconds
        self._delivered: Progress | None = None  # by the first of these failures
        self.due: float | None = None  # monotonic seconds of the next attempt; None: there is nothing to do

    @property
    def is_over(self) -> bool:
        """Whether the record has ended and is delivered or kept."""
        return self._ended and self.due is None

    def grow(self, *, ended: bool) -> None:
        """Take note that there is more to deliver, or that this was all."""
        self._ended = self._ended or ended
        if not self._complete and (self._ended or not self._failures):
            self.due = time.monotonic()

    def advance(self) -> Iterator[Answer]:
        """Deliver what there is by now, if an attempt is due, and yield what the recording process should know."""
        if self.due is None or self.due > time.monotonic():
            return
        self.due = None
        try:
            self._attempt()
        except Exception as error:  # whatever it is: training and the other records continue, and this one is kept
            yield from self._open()
            yield from self._failed(error)
        else:
            self._failures = 0
            yield from self._open()
            yield from self._succeeded()
        if self.is_over:
            self._lock.close()
            self._delivery = None

    def _attempt(self) -> None:
        if self._delivery is None:
            try:
                self._lock.enter_context(locked_folder(self._folder, patience=0.0))
            except TimeoutError:
                raise TrackingError(TAKEN) from None
            self._delivery = Delivery.load(self._folder)
        self.last = self._delivery
        self._complete = self._delivery.advance()
        if self._complete:
            remove(self._folder)

    def _open(self) -> Iterator[Answer]:
        run_id = self._run_id
        if run_id is not None and not self._opened:
            self._opened = True
            yield self._answer("opened", run_id=run_id)

    @property
    def _run_id(self) -> str | None:
        return None if self._delivery is None else self._delivery.progress.run_id

    def _succeeded(self) -> Iterator[Answer]:
        if self._complete:
            yield self._answer("delivered", run_id=self._run_id)
        elif self._ended:
            yield self._answer("kept", reason=ENDLESS)

    def _failed(self, error: Exception) -> Iterator[Answer]:
        now = time.monotonic()
        if not self._failures or self._progress() != self._delivered:
            self._failures, self._failing_since, self._delivered = 0, now, self._progress()
        self._failures += 1
        if not isinstance(error, TrackingError):
            traceback.print_exception(error)
        reason = str(error) or type(error).__name__
        if isinstance(error, StoreUnavailableError) and now - self._failing_since < self._patience:
            self.due = now + _PAUSES[min(self._failures, len(_PAUSES)) - 1]
            yield self._answer("failing", reason=reason)
        elif self._ended:
            yield self._answer("kept", reason=reason)
        elif self._opened:
            self.due = now + _PAUSES[-1]
        else:
            yield self._answer("refused", reason=reason)

    def _progress(self) -> Progress | None:
        return None if self._delivery is None else dataclasses.replace(self._delivery.progress)

    @property
    def _patience(self) -> float:
        return _PATIENCE_ENDED if self._ended else _PATIENCE_OPENING

    def _answer(self, event: str, *, run_id: str | None = None, reason: str = "") -> Answer:
        return Answer(event, str(self._folder), run_id, reason)

    def deliver_orphan(self) -> None:
        """Deliver what a recording process left that died without recording an end."""
        released = time.monotonic() + RELEASE
        while self._folder.exists() and (self.due is not None or time.monotonic() < released):
            if self.due is None or not self._ended:
                self.grow(ended=True)
            for _ in self.advance():
                continue
            time.sleep(RELEASE / 10)
