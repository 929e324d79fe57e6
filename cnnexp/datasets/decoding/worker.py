"""What a process that decodes is told, and what it does, a chunk at a time; it imports as little as that needs."""

import json
import pickle
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnnexp.datasets.decoding.decode import HEADER, LENGTH, Unreadable, decode_rows
from cnnexp.datasets.sources.source import Pictures
from cnnexp.images import ImageSpec

MANY = 2048  # images that are worth a second process, however small they are


def chunk_size(images: int) -> int:
    """Give how many of so many images make a chunk: no core shall wait long at the end, and few images may be large."""
    return 64 if images >= MANY else 8


@dataclass(frozen=True, slots=True)
class Job:
    """What to decode, and the three files the outcome is written into, each at the place of its rows."""

    pictures: Pictures
    spec: ImageSpec
    images: Path  # a .npy file of (N, H, W, C), already there at its full size
    offset: int  # bytes before its first pixel
    fingerprints: Path  # N * LENGTH bytes
    headers: Path  # N * HEADER.itemsize bytes

    @property
    def chunk(self) -> int:
        """How many images are decoded, written and noted down together."""
        return chunk_size(len(self.pictures))

    @property
    def chunks(self) -> int:
        """How many chunks the job has."""
        return -(-len(self.pictures) // self.chunk)

    def run(self, chunk: int) -> Unreadable:
        """Decode one chunk and write it; return the rows that could not be read."""
        rows = range(chunk * self.chunk, min((chunk + 1) * self.chunk, len(self.pictures)))
        decoded = decode_rows(self.pictures, rows, self.spec)
        height, width, channels = self.spec.shape
        _write(self.images, decoded.images.tobytes(), at=self.offset + rows.start * height * width * channels)
        _write(self.fingerprints, decoded.fingerprints.tobytes(), at=rows.start * LENGTH)
        _write(self.headers, decoded.headers.tobytes(), at=rows.start * HEADER.itemsize)
        return decoded.unreadable


def _write(path: Path, content: bytes, *, at: int) -> None:
    with path.open("r+b", buffering=0) as file:
        file.seek(at)
        view = memoryview(content)
        while view:  # a nearly full disk takes a part first and says so on the next write
            view = view[file.write(view) :]


def serve() -> None:
    """Be a worker: the job comes pickled from the process that started this one, then chunk numbers."""
    requests, answers = sys.stdin.buffer, sys.stdout.buffer
    job: Job = pickle.load(requests)

    def say(answer: dict[str, Any]) -> None:
        answers.write(json.dumps(answer).encode() + b"\n")
        answers.flush()

    say({})  # it has started
    for line in requests:
        try:
            say({"unreadable": job.run(int(line))})
        except OSError as error:
            say({"errno": error.errno, "error": error.strerror, "file": str(error.filename or job.images)})
