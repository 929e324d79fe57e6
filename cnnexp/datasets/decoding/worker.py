"""A decode job, done a chunk at a time, and the process that works on one; it imports as little as that needs."""

import json
import pickle
import sys
from dataclasses import dataclass
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

    def run(self, chunk: int) -> Unreadable:
        """Decode one chunk and write it; return the rows that could not be read."""
        rows = range(chunk * self.chunk, min((chunk + 1) * self.chunk, len(self.source)))
        decoded = decode_rows(self.source, rows, self.spec)
        height, width, channels = self.spec.shape
        _write(self.images, decoded.images.tobytes(), at=self.offset + rows.start * height * width * channels)
        _write(self.fingerprints, decoded.fingerprints.tobytes(), at=rows.start * LENGTH)
        _write(self.headers, decoded.headers.tobytes(), at=rows.start * HEADER.itemsize)
        return decoded.unreadable


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
            answer({"unreadable": job.run(int(line))})
        except OSError as error:
            answer({"errno": error.errno, "error": error.strerror, "file": str(error.filename or job.images)})
