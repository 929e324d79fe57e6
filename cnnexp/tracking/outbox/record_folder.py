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
import errno
import json
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Self

from cnnexp.errors import TrackingError
from cnnexp.system import locks
from cnnexp.system.files import write_atomically

JOURNAL = "journal.jsonl"
RUNNING = "RUNNING"  # status of a record whose run goes on in other processes
_SURROGATE = re.compile("[\ud800-\udfff]")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_RESERVE = "reserve"
_SHARED = "shared.json"
_RESERVED = 65_536  # bytes: for status.json, a traceback and what the delivery notes down
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


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise TrackingError(f"A run is recorded on disk first, and that failed: {error}. {_advice(error)}") from error


def _advice(error: OSError) -> str:
    if isinstance(error, locks.LocksUnsupportedError):
        return "A record is locked while it is written: set tracking.outbox to a folder on a file system with locks."
    if error.errno in _FULL:
        return "Make room, or set tracking.outbox."
    return "Set tracking.outbox to a folder that can be written to."


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


def _new_folder(folder: Path) -> Path:
    with _writing():
        while True:
            folder.parent.mkdir(parents=True, exist_ok=True)
            try:
                folder.mkdir(mode=0o700)
            except FileNotFoundError:
                continue  # another run removed the empty outbox in between
            return folder


class RecordWriter:
    """Adds to a record; it only ever appends to files.

    The process that owns the record makes it with :meth:`create` and ends it; a second one, which the owner started for
    the run, writes into the same record through :meth:`open`.
    """

    def __init__(self, folder: Path, journal: IO[str]) -> None:
        self.folder = folder
        self._journal = journal

    @classmethod
    def create(cls, outbox: Path, opening: Opening) -> Self:
        """Create a record and lock it until :meth:`end`, or until this process dies."""
        folder = _new_folder(outbox / opening.key)
        with _writing():
            writer = cls(folder, (folder / JOURNAL).open("a", encoding="utf-8"))
            try:
                locks.lock(writer._journal)
                (folder / "files").mkdir()
                (folder / _RESERVE).write_bytes(b"\1" * _RESERVED)
                write_json(folder / "run.json", dataclasses.asdict(opening))
            except BaseException:
                writer.abandon()
                raise
        return writer

    @classmethod
    def open(cls, folder: Path) -> Self:
        """Write into a record that another process owns."""
        with _writing():
            return cls(folder, (folder / JOURNAL).open("a", encoding="utf-8"))

    def append(self, entry: Entry) -> None:
        """Add one entry to the journal; what is written survives the death of this process."""
        line = encodable(json.dumps(entry, ensure_ascii=False), backslash="\\\\") + "\n"
        with _writing():
            self._write_whole(line.encode())

    def _write_whole(self, line: bytes) -> None:
        """Write a line, or nothing of it where the disk gets full within it; no buffer keeps a rest for later."""
        journal, written = self._journal.fileno(), 0
        try:
            while written < len(line):
                written += os.write(journal, line[written:])
        except OSError:
            os.ftruncate(journal, os.fstat(journal).st_size - written)
            raise

    def file(self, name: str, content: bytes) -> None:
        """Keep an artifact under its name, which may contain folders."""
        path = self.folder / "files" / name
        with _writing():
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                path.write_bytes(content)
            except OSError:
                path.unlink(missing_ok=True)  # a part of it would be taken for the whole
                raise

    @contextmanager
    def new_model(self) -> Iterator[Path]:
        """Give the folder to lay the model out in, which does not exist yet; nothing stays of one that fails."""
        folder = self.folder / "model"
        try:
            with _writing():
                yield folder
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def share(self, files: Sequence[str]) -> None:
        """Have what these files of the model have in common with others stored once, see `shared_files`."""
        with _writing():
            (self.folder / _SHARED).write_text(json.dumps({"files": list(files)}), encoding="utf-8")

    def remove_model(self) -> None:
        """Remove the model, if there is one, so that another one can be laid out."""
        shutil.rmtree(self.folder / "model", ignore_errors=True)

    def use_reserve(self) -> None:
        """Free the room for what is recorded last."""
        (self.folder / _RESERVE).unlink(missing_ok=True)

    def cut_unfinished_line(self) -> None:
        """Remove a line that a second writer left unfinished when it died."""
        with _writing(), (self.folder / JOURNAL).open("rb+") as journal:
            journal.truncate(journal.read().rfind(b"\n") + 1)

    def end(self, status: str, *, discarded: bool = False) -> None:
        """Write how the run ended and release the record: from here on any process may complete its delivery."""
        self.use_reserve()
        with _writing():
            write_json(self.folder / "status.json", {"status": status, "ended": now(), "discarded": discarded})
        self._journal.close()

    def abandon(self) -> None:
        """Remove a record that no other process has been notified of."""
        self._journal.close()
        remove(self.folder)


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
    if not (folder / _SHARED).exists():
        return []
    files = [folder / "model" / name for name in read_json(folder / _SHARED)["files"]]
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
