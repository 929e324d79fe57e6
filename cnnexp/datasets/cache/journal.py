"""Which chunks of an unfinished entry are written, so that interrupted work continues."""

import json
from dataclasses import asdict
from pathlib import Path

from cnnexp.datasets.decoding.worker import DecodeJob, WrittenChunk
from cnnexp.system.files import content_of, remove


class Journal:
    """One line of JSON for each chunk: its number, the rows that could not be read, and a checksum of all of it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, job: DecodeJob) -> dict[int, WrittenChunk]:
        """Return the chunks that are written and still hold what was written; only those stay in the journal."""
        content = content_of(self._path)
        lines = (content or b"").splitlines(keepends=True)
        parsed = {line: chunk for line in lines if (chunk := _parsed(line)) is not None}
        kept = {line: (number, chunk) for line, (number, chunk) in parsed.items() if job.is_written(number, chunk)}
        if content is None or len(kept) < len(lines):  # a line is torn, or a power cut undid what it says
            remove(self._path)
            self._path.write_bytes(b"".join(kept))
        return dict(kept.values())

    def add(self, number: int, chunk: WrittenChunk) -> None:
        """Add a chunk whose pixels are written."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"chunk": number, **asdict(chunk)}) + "\n")

    def chunks_done(self) -> int:
        """Count the lines without parsing them, for another process that waits."""
        return (content_of(self._path) or b"").count(b"\n")

    def discard(self) -> None:
        """Delete the journal."""
        remove(self._path)


def _parsed(line: bytes) -> tuple[int, WrittenChunk] | None:
    """Return the chunk that a line is about; None if it is torn or damaged, or was written by cnnexp 0.1.0."""
    try:
        entry = json.loads(line)
        unreadable = {int(row): str(why) for row, why in entry["unreadable"].items()}
        return int(entry["chunk"]), WrittenChunk(unreadable, entry["checksum"])
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
