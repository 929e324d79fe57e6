"""Writes a record to its folder, see `record_folder`: whole entries and files, or an error that says what to do."""

import dataclasses
import errno
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Self

from cnnexp.errors import TrackingError
from cnnexp.system import locks
from cnnexp.tracking.outbox.record_folder import JOURNAL, SHARED, Entry, Opening, encodable, now, remove, write_json

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_RESERVE = "reserve"
_RESERVED = 65_536  # bytes: for status.json, a traceback and what the delivery notes down


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
            (self.folder / SHARED).write_text(json.dumps({"files": list(files)}), encoding="utf-8")

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
