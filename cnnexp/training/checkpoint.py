"""When the state of a training is saved, and what stops a training so that it can go on later.

A training has stages, each of which has a file in the folder: see `fit` for what it holds.
"""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from cnnexp.system.signals import StopRequest
from cnnexp.training.saved_state import SavedState, State, read_state, write_state

MOST = 0.02  # share of the time that saving may take
OFTEN = 60.0  # seconds after which a state within an epoch is saved
_FIRST_SECONDS, _FIRST_SPEED = 0.02, 100e6  # what the first saving is expected to take, and bytes a second


class Checkpoint:
    """The saved state of one training."""

    def __init__(
        self,
        folder: Path | None,
        *,
        every: float | None = None,
        stop: StopRequest | None = None,
        finish: bool = False,
        on_failure: Callable[[OSError], None] = lambda _: None,
    ) -> None:
        """Take the folder that it is in.

        Args:
            folder: None: nothing is saved, and nothing there.
            every: Seconds between two states; None: at the end of each epoch, and each minute of a long one.
            stop: What asks the training to stop after a step; None: nothing does.
            finish: The training ends with the state that is there.
            on_failure: Called once where a state cannot be written; the training goes on.

        """
        self.folder = folder
        self.finish = finish
        self.spent = 0.0  # seconds, on saving
        self._every = every
        self._stop = stop
        self._on_failure = on_failure
        self._began = self._last = time.monotonic()
        self._expected: float | None = None  # seconds that saving takes; None: it was not done yet

    def load(self, stage: str) -> SavedState | None:
        """Return the state of a stage; None: there is none."""
        return None if self.folder is None else read_state(self._file(stage, self.folder))

    def save_if_due(self, stage: str, state: State, size: Callable[[], int], *, epoch_ended: bool) -> None:
        """Save the state of a stage, of about `size` bytes, if it is time to and does not take too much of it."""
        if self.folder is not None and self._is_due(size, epoch_ended=epoch_ended):
            self.save(stage, state)

    def save(self, stage: str, state: State) -> None:
        """Save the state of a stage now."""
        if self.folder is None:
            return
        began = time.monotonic()
        try:
            write_state(self._file(stage, self.folder), state())
        except OSError as error:
            self._on_failure(error)
            self._on_failure = lambda _: None
        self._last = time.monotonic()
        self._expected = self._last - began
        self.spent += self._expected

    def _is_due(self, size: Callable[[], int], *, epoch_ended: bool) -> bool:
        now = time.monotonic()
        expected = _FIRST_SECONDS + size() / _FIRST_SPEED if self._expected is None else self._expected
        if self.spent + expected > MOST * (now - self._began):
            return False
        if epoch_ended and self._every is None:
            return True
        return now - self._last >= (OFTEN if self._every is None else self._every)

    def stopping_after_step(self) -> AbstractContextManager[object]:
        """Return the block of the steps, in which Ctrl-C asks for an end after one of them."""
        return nullcontext() if self._stop is None else self._stop

    def stop_if_asked(self, stage: str, state: State) -> None:
        """Save the state and raise KeyboardInterrupt, or `Terminated`, where one of them was asked for."""
        if self._stop is not None and self._stop.requested is not None:
            self.save(stage, state)
            raise self._stop.requested

    @staticmethod
    def _file(stage: str, folder: Path) -> Path:
        return folder / f"{stage}.state"


NOT_SAVED = Checkpoint(None)
