"""A decode job, done a chunk at a time, and the process that works on one; it imports as little as that needs."""

import json
import pickle
import sys
import zlib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from cnnexp.datasets.decoding.decode import HEADER, LENGTH, Unreadable, decode_rows
from cnnexp.datasets.sources.source import ImageSource
from cnnexp.images import ImageSpec

MIN_PARALLEL_IMAGES = 2048  # from this number on, images are worth a second process, however small they are


def chunk_size(images: int) -> int:
    """Return the images per chunk: small enough that no core waits long at the end; few images may be large ones."""
    return 64 if images >= MIN_PARALLEL_IMAGES else 8


@dataclass(frozen=True, slots=True)
class WrittenChunk:
    """What was decoded of a chunk whose pixels, fingerprints and headers are in the files of its job."""

    unreadable: Unreadable
    checksum: int  # CRC-32 of all that was written, and of the unreadable rows


@dataclass(frozen=True, slots=True)
class DecodeJob:
    """What to decode, and the three files the outcome is written into, each at the place of its rows."""

    source: ImageSource
    spec: ImageSpec
    images: Path  # a .npy file of (N, H, W, C), already there at its full size
    offset: int  # bytes before its first pixel
    fingerprints: Path  # N * LENGTH bytes
    headers: Path  # N * HEADER.itemsize bytes

    @property
    def chunk(self) -> int:
        """How many images are decoded, written and journaled together."""
        return chunk_size(len(self.source))

    @property
    def chunks(self) -> int:
        """How many chunks the job has."""
        return -(-len(self.source) // self.chunk)

    def run(self, chunk: int) -> WrittenChunk:
        """Decode one chunk and write it."""
        decoded = decode_rows(self.source, self._rows(chunk), self.spec)
        contents = [array.tobytes() for array in (decoded.images, decoded.fingerprints, decoded.headers)]
        for (path, start, _), content in zip(self._places(chunk), contents, strict=True):
            _write(path, content, at=start)
        return WrittenChunk(decoded.unreadable, _checksum(chunk, decoded.unreadable, contents))

    def is_written(self, chunk: int, written: WrittenChunk) -> bool:
        """Return whether the files hold what was once written into them, which a power cut may have undone."""
        if chunk not in range(self.chunks):
            return False
        contents = [_read(path, size, at=start) for path, start, size in self._places(chunk)]
        return written.checksum == _checksum(chunk, written.unreadable, contents)

    def _rows(self, chunk: int) -> range:
        return range(chunk * self.chunk, min((chunk + 1) * self.chunk, len(self.source)))

    def _places(self, chunk: int) -> tuple[tuple[Path, int, int], ...]:
        """Return where a chunk is: file, first byte and number of bytes."""
        rows = self._rows(chunk)
        height, width, channels = self.spec.shape
        sizes = ((self.images, self.offset, height * width * channels), (self.fingerprints, 0, LENGTH))
        return tuple(
            (path, offset + rows.start * each, len(rows) * each)
            for path, offset, each in (*sizes, (self.headers, 0, HEADER.itemsize))
        )


def _checksum(chunk: int, unreadable: Unreadable, contents: Iterable[bytes]) -> int:
    found = zlib.crc32(json.dumps([chunk, unreadable]).encode())
    for content in contents:
        found = zlib.crc32(content, found)
    return found


def _read(path: Path, size: int, *, at: int) -> bytes:
    with path.open("rb", buffering=0) as file:
        file.seek(at)
        return file.read(size)


def _write(path: Path, content: bytes, *, at: int) -> None:
    with path.open("r+b", buffering=0) as file:
        file.seek(at)
        view = memoryview(content)
        while view:  # a nearly full disk writes a part first and reports it on the next write
            view = view[file.write(view) :]


def run_worker() -> None:
    """Read a pickled job from the parent process, then chunk numbers; answer each with a line of JSON."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    job: DecodeJob = pickle.load(requests)

    def answer(content: dict[str, Any]) -> None:
        answers.write(json.dumps(content).encode() + b"\n")
        answers.flush()

    answer({})  # it has started
    for line in requests:
        try:
            answer(asdict(job.run(int(line))))
        except OSError as error:
            answer({"errno": error.errno, "error": error.strerror, "file": str(error.filename or job.images)})
