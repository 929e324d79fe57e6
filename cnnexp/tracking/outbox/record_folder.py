"""The folder of one record: what a run records, on disk before it is anywhere else.

    <outbox>/<key>/
        run.json         how it begins: store, experiment, name, tags
        journal.jsonl    parameters, tags, data set and metrics, one entry a line, in the order they were recorded;
                         locked by the training process for as long as it records
        files/           artifacts of the run, as they will be named
        model/           what the logged model is made of
        shared.json      which files of the model have much in common with those of the parent's other runs
        status.json      how the run ended; written last
        reserve          room for that on a full disk
        delivered.json   how much of this the store has; written by the process that delivers

The folder is removed when the store has all of it. It may hold a store's password, so only its owner can read it.
"""

import dataclasses
import json
import re
import secrets
import shutil
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnexp.errors import TrackingError
from cnnexp.system import locks
from cnnexp.system.files import write_atomically

JOURNAL, SHARED = "journal.jsonl", "shared.json"
RUNNING = "RUNNING"  # status of a record whose run goes on in other processes
_SURROGATE = re.compile("[\ud800-\udfff]")
Entry = dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Opening:
    """What is known before anything else: enough to find or make the run."""

    key: str  # name of the folder; also a tag of the run, so that a lost answer makes no second run
    uri: str  # of the store, file names absolute
    artifacts: str | None  # where a new experiment keeps its files
    experiment: str
    run_name: str
    run_id: str | None  # continue this run instead of making one
    started: int  # milliseconds since 1970
    tags: Mapping[str, str]
    replaces: str | None = None  # key of a record whose run is deleted, because this one repeats it


@dataclass(frozen=True, slots=True)
class Ending:
    """How the run ended."""

    status: str  # FINISHED | FAILED | KILLED | RUNNING: other processes go on with the run, and end it
    ended: int  # milliseconds since 1970
    discarded: bool = False  # a broken attempt that is repeated: its run is deleted
    died: bool = False  # its process died without recording an end, perhaps while it wrote what came out


def now() -> int:
    """Milliseconds since 1970, as MLflow counts."""
    return time.time_ns() // 1_000_000


def new_key(run_name: str) -> str:
    """Return a folder name: readable, sorted by time, and taken by no other run."""
    return f"{time.strftime('%Y%m%d-%H%M%S')}-{readable(run_name)}-{secrets.token_hex(4)}"


def readable(run_name: str) -> str:
    """Return the name shortened to a part of a file name that every file system accepts."""
    return re.sub(r"[^\w.-]+", "-", run_name)[:48].strip("-.") or "run"


def is_owned(folder: Path) -> bool:
    """Tell whether a living process owns a record.

    Raises:
        TrackingError: the file system has no locks.
        FileNotFoundError: the record is delivered by now.

    """
    try:
        return locks.is_locked(folder / JOURNAL)
    except locks.LocksUnsupportedError as error:
        raise TrackingError(
            f"A record is locked while its run is going on, and the file system of {folder} has no locks "
            f"({error.strerror}). Move the folder to one that has, such as /tmp, and set tracking.outbox to one."
        ) from error


def encodable(text: str, *, backslash: str = "\\") -> str:
    r"""Return a text that UTF-8 can carry: bytes of file names that are no UTF-8 stand as ``\udce9``.

    Args:
        text: Any.
        backslash: As it is written in the text; in JSON it is doubled.

    """
    return _SURROGATE.sub(lambda found: f"{backslash}u{ord(found[0]):04x}", text)


def read_opening(folder: Path) -> Opening:
    """Return how the record began."""
    return Opening(**read_json(folder / "run.json"))


def read_ending(folder: Path) -> Ending | None:
    """Return how the run ended; None while it is running; KILLED when its process died without recording an end."""
    journal = folder / JOURNAL
    held = is_owned(folder)  # read first: the status is written before the journal is released
    if (folder / "status.json").exists():
        return Ending(**read_json(folder / "status.json"))
    return None if held else Ending("KILLED", journal.stat().st_mtime_ns // 1_000_000, died=True)


def read_entries(folder: Path, *, start: int) -> list[Entry]:
    """Return the whole lines of the journal from line `start` on; a line that is still being written is left out."""
    whole, _, _ = (folder / JOURNAL).read_bytes().rpartition(b"\n")
    return [json.loads(line) for line in whole.splitlines()[start:]]


def read_shared(folder: Path) -> list[Path]:
    """Return the files of the model that are to be stored as deltas, and are not yet."""
    if not (folder / SHARED).exists():
        return []
    files = [folder / "model" / name for name in read_json(folder / SHARED)["files"]]
    return [file for file in files if file.exists()]


def read_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file."""
    content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return content


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file so that a reader sees the old one or the new one, never a part."""
    write_atomically(path, json.dumps(content, ensure_ascii=False).encode(errors="backslashreplace"))  # JSON's escapes


def remove(folder: Path) -> None:
    """Remove a record, in one step for every other process, and the outbox with its last record."""
    gone = folder.with_name(f".{folder.name}.delivered")
    shutil.rmtree(gone, ignore_errors=True)  # of a run that was continued, and whose process was killed right here
    folder.rename(gone)
    for delivered in folder.parent.glob(".*.delivered"):  # also those that a killed process has left
        shutil.rmtree(delivered, ignore_errors=True)  # nothing reads it any more, and few open files are enough
    with suppress(OSError):  # there are other records
        folder.parent.rmdir()


@dataclass(kw_only=True, slots=True)
class Progress:
    """What has been delivered; saved after each piece."""

    asked: bool = False  # the store was asked for a run: even without a run_id, there may be one
    run_id: str | None = None
    experiment_id: str | None = None
    entries: int = 0  # lines of the journal
    model_id: str | None = None  # of the logged model, once it is complete

    @classmethod
    def load(cls, folder: Path) -> "Progress":
        """Return the progress of the last delivery, perhaps by another version; a new one if there was none."""
        path = folder / "delivered.json"
        left = read_json(path) if path.exists() else {}
        return cls(**{name: left[name] for name in cls.__slots__ if name in left})

    def save(self, folder: Path) -> None:
        """Write it into the record."""
        write_json(folder / "delivered.json", dataclasses.asdict(self))
