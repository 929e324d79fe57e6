"""Where a run goes on from, and whether it may: the checkpoint of its folder, and what has changed since."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Self

from cnnexp.config import ExperimentConfig
from cnnexp.datasets import Splits
from cnnexp.errors import CheckpointError
from cnnexp.runs.checkpoint_folder import CheckpointFolder
from cnnexp.runs.origin import changes
from cnnexp.system.signals import StopRequest
from cnnexp.system.text import listed
from cnnexp.training import NOT_SAVED, Checkpoint, cannot_save


@dataclass(frozen=True, kw_only=True)
class Resuming:
    """The checkpoint of one run."""

    folder: CheckpointFolder = field(default_factory=CheckpointFolder)
    checkpoint: Checkpoint = NOT_SAVED
    restarts: bool = True  # begins anew where it cannot go on to the same numbers, instead of refusing, and says so

    @classmethod
    def by(
        cls,
        config: ExperimentConfig,
        folder: CheckpointFolder,
        *,
        restarts: bool,
        note: Callable[[str], None],
        warn: Callable[[str], None],
        stop: StopRequest | None = None,
    ) -> Self:
        """Return what saves a run in its folder.

        `note` and `warn` get what the user is to know of it, a sentence; `stop` asks the run to stop after a step.
        """
        if folder.failure is not None:
            warn(cannot_save(folder.failure))
        every = config.training.checkpoint_every
        checkpoint = Checkpoint(
            folder.path,
            every=None if isinstance(every, str) else every,
            stop=stop,
            finish=config.training.finish,
            note=note,
            warn=warn,
        )
        return cls(folder=folder, checkpoint=checkpoint, restarts=restarts)

    def checked(self, splits: Splits, origin: Mapping[str, str]) -> Splits:
        """Compare what the numbers come from with what they came from; return `splits` with notes of what has changed.

        Raises:
            CheckpointError: the run cannot go on to the same numbers.

        """
        notes = self._compared(origin) if self.folder.has_state else []
        self.folder.note_origin(origin)
        return dataclasses.replace(splits, notes=(*splits.notes, *notes))

    def _compared(self, origin: Mapping[str, str]) -> list[str]:
        before = self.folder.origin
        if before is None:
            self.folder.restart()
            return ["Begun anew, as it cannot be read what its saved state came from."]
        changed = changes(before, origin)
        fatal = (*changed.fatal, *self._unrepeatable(before, origin))
        if fatal and not self.restarts:
            raise CheckpointError(
                "A run goes on from where it was stopped only to the same numbers, and this one cannot: "
                f"{listed(fatal)}. Undo that, or begin another run: training.resume=never."
            )
        notes = []
        if fatal:
            self.folder.restart()
            notes = [f"Begun anew, as it could not go on to the same numbers: {listed(fatal)}."]
        elif changed.others:
            notes = [f"Changed since the run was stopped, which may change its numbers: {listed(changed.others)}."]
        if self.restarts:  # a run of a sweep, whose header nobody sees
            for note in notes:
                self.checkpoint.note(note)
        return notes

    def _unrepeatable(self, *origins: Mapping[str, str]) -> tuple[str, ...]:
        """Return that the same seed gives other numbers, where a run is to go on and always was like that."""
        same = all(one.get("deterministic") == "false" for one in origins)
        return ("it has training.deterministic=false",) if same and not self.checkpoint.finish else ()


NOT_RESUMED = Resuming()
