"""When the state of a training is saved, and what stops a training so that it can go on later.

A training has stages, each of which has a file in the folder: see `fit` for what it holds.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path

from cnnexp.system.signals import StopRequest
from cnnexp.training.saved_state import SavedState, State, read_state, write_state

MOST = 0.02  # share of the time that saving may take
OFTEN = 60.0  # seconds after which a state within an epoch is saved
_FIRST_SECONDS, _FIRST_SPEED = 0.02, 100e6  # what the first saving is expected to take, and bytes a second


DAMAGED = "The saved state of this run is damaged, or another version of cnnexp wrote it."


def cannot_save(error: Exception) -> str:
    """Return what is to be said where a state cannot be written; it is the same for all runs with this error."""
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return (
        f"The state of this run cannot be saved: {reason}. The training goes on; if it is stopped, it can be "
        "resumed from the state before, if there is one."
    )


class Checkpoint:
    """The saved state of one training."""

    def __init__(
        self,
        folder: Path | None,
        *,
        every: float | None = None,
        stop: StopRequest | None = None,
        finish: bool = False,
        note: Callable[[str], None] = lambda _: None,
        warn: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Take the folder that it is in.

        Args:
            folder: None: nothing is saved, and nothing there.
            every: Seconds between two states; None: at the end of each epoch, and each minute of a long one.
            stop: What asks the training to stop after a step; None: nothing does.
            finish: The training ends with the state that is there.
            note: Gets what the user is to know, a sentence.
            warn: Gets what is wrong: a state that cannot be read, and once that one cannot be written; the training
                goes on in either case.

        """
        self.folder = folder
        self.finish = finish
        self.spent = 0.0  # seconds, on saving
        self._every = every
        self._stop = stop
        self.note = note
        self._warn = warn
        self._has_failed = False  # which was said
        self._began = self._last = time.monotonic()
        self._expected: float | None = None  # seconds that saving takes; None: it was not done yet

    def load(self, stage: str) -> SavedState | None:
        """Return the state of a stage; None: there is none that can be read."""
        if self.folder is None:
            return None
        file = self._file(stage, self.folder)
        state = read_state(file)
        if state is None and file.exists():
            self._warn(f"{DAMAGED} What it held is done again.")
        return state

    def restart(self) -> None:
        """Forget the states of all stages."""
        for file in [] if self.folder is None else list(self.folder.glob("*.state")):
            with suppress(OSError):
                file.unlink()

    def save_if_due(self, stage: str, state: State, size: Callable[[], int], *, epoch_ended: bool) -> None:
        """Save the state of a stage, of about `size` bytes, if it is time to and does not take too much of it."""
        if self.folder is not None and self._is_due(size, epoch_ended=epoch_ended):
            self.save(stage, state)

    def save(self, stage: str, state: State) -> None:
        """Save the state of a stage now; where that fails, the one before is still there."""
        if self.folder is None:
            return
        began = time.monotonic()
        try:
            write_state(self._file(stage, self.folder), state())
        except (OSError, MemoryError) as error:
            if not self._has_failed:
                self._warn(cannot_save(error))
            self._has_failed = True
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
        with self.saved_if_stopped(stage, state):
            self.raise_if_asked()

    def raise_if_asked(self) -> None:
        """Raise KeyboardInterrupt, or `Terminated`, where one of them was asked for."""
        if self._stop is not None and self._stop.requested is not None:
            raise self._stop.requested

    @contextmanager
    def saved_if_stopped(self, stage: str, state: State) -> Iterator[None]:
        """Save the state where `raise_if_asked` ends the block; where a second Ctrl-C does, there is no time for it."""
        try:
            yield
        except KeyboardInterrupt as interrupt:
            if self._stop is not None and interrupt is self._stop.requested:
                self.save(stage, state)
            raise

    @staticmethod
    def _file(stage: str, folder: Path) -> Path:
        return folder / f"{stage}.state"


NOT_SAVED = Checkpoint(None)
