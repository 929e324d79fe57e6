"""How much of a record the store already has, kept on disk so that anybody can go on from there."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from cnnexp.tracking.outbox import read_json, write_json


@dataclass(kw_only=True, slots=True)
class Progress:
    """What has been delivered; saved after each piece."""

    asked: bool = False  # a run was asked for: without a run_id, it may exist all the same
    run_id: str | None = None
    experiment_id: str | None = None
    entries: int = 0  # lines of the journal
    model_id: str | None = None  # of the logged model, once it is complete

    @classmethod
    def load(cls, folder: Path) -> "Progress":
        """Return what the last delivery left, perhaps of another version; nothing, when there was none."""
        path = folder / "delivered.json"
        left = read_json(path) if path.exists() else {}
        return cls(**{name: left[name] for name in cls.__slots__ if name in left})

    def save(self, folder: Path) -> None:
        """Write it down."""
        write_json(folder / "delivered.json", dataclasses.asdict(self))
