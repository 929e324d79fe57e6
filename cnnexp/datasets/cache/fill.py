"""Decoded once, used by every later run: fills an entry of the cache, or opens it."""

import dataclasses
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

from cnnexp.datasets.cache import folder as cache
from cnnexp.datasets.cache.entry import DecodedDataset, finish, is_whole, keep_in_memory, open_entry
from cnnexp.datasets.decoding import pool
from cnnexp.datasets.decoding.decode import HEADER, LENGTH, TRANSIENT, Unreadable, decode_rows, first_duplicates
from cnnexp.datasets.decoding.image_request import ImageRequest, resolve_spec
from cnnexp.datasets.decoding.worker import DecodeJob, chunk_size
from cnnexp.datasets.sources.source import DataSource, ImageSource, Manifest
from cnnexp.errors import DataError
from cnnexp.images import READER, ImageSpec
from cnnexp.system.files import replacing
from cnnexp.system.text import printable

FORMAT = 7  # of an entry; raise it when the files that are described in `folder` change
JOURNAL = "journal.jsonl"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

OnProgress = Callable[[int, int], None]  # (images done, images in all)


def decode_once(source: DataSource, request: ImageRequest, *, folder: Path, on_progress: OnProgress) -> DecodedDataset:
    """Open the data set from the cache folder, after decoding it into that folder if it is not there yet.

    Raises:
        DataError: the cache folder is full or cannot be written.

    """
    if not source.cached:
        return _decode_into_memory_once(source, request)
    entry = _entry(source, request, folder)
    try:
        if not is_whole(entry):
            _fill(entry, *_opened(source), source=source, request=request, on_progress=on_progress)
        return open_entry(entry)
    except OSError as error:
        raise _cannot_write(folder, error) from error


def cached_spec(source: DataSource, request: ImageRequest, *, folder: Path) -> ImageSpec | None:
    """Return by which spec the images were read that are in the cache already; None where they are not."""
    try:
        description = cache.description(_entry(source, request, folder))
    except OSError:  # `decode_once` will report it
        return None
    return None if description is None else ImageSpec(**description["spec"])


def _entry(source: DataSource, request: ImageRequest, folder: Path) -> Path:
    return folder / f"{source.name}-{_key(source, request)}"


def _key(source: DataSource, request: ImageRequest) -> str:
    parts = [FORMAT, READER, source.name, source.state, dataclasses.astuple(request)]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


_latest: dict[str, DecodedDataset] = {}  # at most one: the data set that was decoded into memory last


def _decode_into_memory_once(source: DataSource, request: ImageRequest) -> DecodedDataset:
    """Decode data that came with a library and never change: a sweep's process does so once for all its runs."""
    key = _key(source, request)
    if key not in _latest:
        decoded = _decode_into_memory(source, request)
        _latest.clear()
        _latest[key] = decoded
    return _latest[key]


def _decode_into_memory(source: DataSource, request: ImageRequest) -> DecodedDataset:
    manifest, images = _opened(source)
    spec, notes = resolve_spec(request, images)
    chunk = decode_rows(images, range(len(images)), spec)
    chunk.images.flags.writeable = False
    unreadable = set(chunk.unreadable)
    return DecodedDataset(
        manifest=_with_notes(manifest, notes),
        spec=spec,
        images=chunk.images,
        headers=chunk.headers,
        duplicate_of=first_duplicates(chunk.fingerprints, chunk.headers, images, spec, unreadable=unreadable),
        unreadable=chunk.unreadable,
        pixel_digest=hashlib.sha256(np.ascontiguousarray(chunk.images).data).hexdigest(),
        keep=keep_in_memory(),
    )


def _opened(source: DataSource) -> tuple[Manifest, ImageSource]:
    try:
        return source.open()
    except OSError as error:
        raise DataError(f"{source.origin} cannot be read: {error.strerror} ({error.filename}).") from error


def _with_notes(manifest: Manifest, notes: tuple[str, ...]) -> Manifest:
    return dataclasses.replace(manifest, notes=(*manifest.notes, *notes))


def _fill(
    entry: Path,
    manifest: Manifest,
    images: ImageSource,
    *,
    source: DataSource,
    request: ImageRequest,
    on_progress: OnProgress,
) -> None:
    """Decode into an entry; if another process is doing the same work at the moment, wait for it."""
    total = len(images)
    journal = Journal(entry / JOURNAL)

    def show_progress_of_other() -> None:
        if done := journal.chunks_done():  # 0 also when it has just finished
            on_progress(min(done * chunk_size(total), total), total)

    with cache.locked(entry, while_waiting=show_progress_of_other):
        if is_whole(entry):
            return
        try:
            spec, notes = resolve_spec(request, images)
            job = _reserve(entry, images, spec)
            unreadable = _decode(job, journal, on_progress)
            journal.discard()  # first, because it is about files that are renamed now
            finish(entry, job, source, _with_notes(manifest, notes), unreadable)
        except OSError as error:
            if error.errno in _FULL:
                shutil.rmtree(entry)
            raise


def _reserve(entry: Path, source: ImageSource, spec: ImageSpec) -> DecodeJob:
    """Create the files at full size, so that a full disk is reported before the work and not halfway through it."""
    images, prints, headers = (entry / name for name in ("images.part.npy", "fingerprints.part", "headers.part"))
    shape = (len(source), *spec.shape)
    if not images.exists():
        Journal(entry / JOURNAL).discard()
        with replacing(images) as beginning:
            with beginning.open("wb") as file:
                header = {"descr": "|u1", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                file.flush()
                _allocate(file.fileno(), file.tell() + int(np.prod(shape)))
            for path, each in ((prints, LENGTH), (headers, HEADER.itemsize)):
                with path.open("wb") as file:
                    _allocate(file.fileno(), len(source) * each)
    offset = images.stat().st_size - int(np.prod(shape))
    return DecodeJob(source, spec, images, offset, prints, headers)


def _allocate(file: int, size: int) -> None:
    """Give an open file its full size on disk.

    Raises:
        OSError: there is no room.

    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:  # macOS: the disk may fill up later, which is noticed then
        os.truncate(file, size)


def _decode(job: DecodeJob, journal: "Journal", on_progress: OnProgress) -> Unreadable:
    """Decode every chunk that is not in the journal, and add each to it when it is written."""
    done = journal.read()
    total = len(job.source)
    on_progress(min(len(done) * job.chunk, total), total)
    todo = [chunk for chunk in range(job.chunks) if chunk not in done]
    with closing(pool.decode_chunks(job, todo)) as finished:
        for chunk, unreadable in finished:
            done[chunk] = unreadable
            journal.add(chunk, unreadable)
            on_progress(min(len(done) * job.chunk, total), total)
    return {row: reason for chunk in sorted(done) for row, reason in done[chunk].items()}


class Journal:
    """Which chunks are written, one line of JSON each, so that interrupted work continues."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[int, Unreadable]:
        """Return the chunks that are written, each with its unreadable rows; a torn last line is cut off."""
        lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True) if self._path.exists() else []
        whole = [json.loads(line) for line in lines if line.endswith("\n")]
        if len(whole) < len(lines):  # the process ended while it wrote its last line
            self._path.write_text("".join(lines[: len(whole)]), encoding="utf-8")
        return {entry["chunk"]: {int(row): why for row, why in entry["unreadable"].items()} for entry in whole}

    def add(self, chunk: int, unreadable: Unreadable) -> None:
        """Add a chunk whose pixels are written."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"chunk": chunk, "unreadable": unreadable}) + "\n")

    def chunks_done(self) -> int:
        """Count the lines without parsing them, for another process that waits."""
        return self._path.read_bytes().count(b"\n") if self._path.exists() else 0

    def discard(self) -> None:
        """Delete the journal."""
        self._path.unlink(missing_ok=True)


def _cannot_write(folder: Path, error: OSError) -> DataError:
    if error.errno in TRANSIENT and not str(error.filename).startswith(str(folder)):
        return DataError(
            f"Every image must be readable; {printable(str(error.filename or 'one'))} was not, perhaps only for the "
            f"moment: {error.strerror}. What is decoded is kept; run the same command again."
        )
    if error.errno in _FULL:
        return DataError(
            f"The cache folder {folder} has no room for the decoded images ({error.strerror}). Nothing of them was "
            "left there. Free some space, or set data.cache to a folder that has room."
        )
    return DataError(
        f"The cache folder {folder} cannot be used: {error.strerror} ({error.filename}). "
        "Set data.cache to a folder that can be written."
    )
