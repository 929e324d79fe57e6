"""Where a run goes on from, and whether it may: the checkpoint of its folder, and what has changed since."""

import dataclasses
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from cnnexp.config import ExperimentConfig
from cnnexp.datasets import Splits
from cnnexp.errors import CheckpointError
from cnnexp.runs.checkpoint_folder import CheckpointFolder
from cnnexp.runs.origin import changes
from cnnexp.system.signals import StopRequest
from cnnexp.system.text import listed
from cnnexp.training import NOT_SAVED, Checkpoint

_logger = logging.getLogger("cnnexp.runs")


@dataclass(frozen=True, kw_only=True)
class Resuming:
    """The checkpoint of one run."""

    folder: CheckpointFolder = field(default_factory=CheckpointFolder)
    checkpoint: Checkpoint = NOT_SAVED
    restarts: bool = True  # begins anew where it cannot go on to the same numbers, instead of refusing

    @classmethod
    def by(
        cls, config: ExperimentConfig, folder: CheckpointFolder, *, restarts: bool, stop: StopRequest | None = None
    ) -> Self:
        """Return what saves a run in its folder; `stop` asks it to stop after a step."""
        every = config.training.checkpoint_every
        checkpoint = Checkpoint(
            folder.path,
            every=None if isinstance(every, str) else every,
            stop=stop,
            finish=config.training.finish,
            on_failure=_warn,
        )
        return cls(folder=folder, checkpoint=checkpoint, restarts=restarts)

    def checked(self, splits: Splits, origin: Mapping[str, str]) -> Splits:
        """Compare what the numbers come from with what they came from; return `splits` with notes of what has changed.

        Raises:
            CheckpointError: the run cannot go on to the same numbers.

        """
        before = self.folder.origin
        changed = None if before is None else changes(before, origin)
        notes = []
        if changed is not None and (fatal := (*changed.fatal, *self._unrepeatable(before or {}, origin))):
            reason = listed(fatal)
            if not self.restarts:
                raise CheckpointError(
                    "A run goes on from where it was stopped only to the same numbers, and this one cannot: "
                    f"{reason}. Undo that, or begin another run: training.resume=never."
                )
            self.folder.restart()
            notes = [f"Begun anew, as it could not go on to the same numbers: {reason}."]
        elif changed is not None and changed.others:
            notes = [f"Changed since the run was stopped, which may change its numbers: {listed(changed.others)}."]
        self.folder.note_origin(origin)
        return dataclasses.replace(splits, notes=(*splits.notes, *notes))

    def _unrepeatable(self, *origins: Mapping[str, str]) -> tuple[str, ...]:
        """Return that the same seed gives other numbers, where a run is to go on and always was like that."""
        same = all(one.get("deterministic") == "false" for one in origins)
        return ("it has training.deterministic=false",) if same and not self.checkpoint.finish else ()


def _warn(error: OSError) -> None:
    _logger.warning("The state of this run cannot be saved, so it could not be resumed: %s.", error)


NOT_RESUMED = Resuming()
