"""Decoded once, used by every later run: fills an entry of the cache, or opens it."""

import dataclasses
import errno
import functools
import hashlib
import json
import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np

from cnnexp.datasets.cache import folder as cache
from cnnexp.datasets.cache.entry import Decoded, finish, is_whole, opened
from cnnexp.datasets.decoding import decode, pool
from cnnexp.datasets.decoding.auto_spec import Request, resolve
from cnnexp.datasets.decoding.decode import HEADER, PASSING, Unreadable, decode_rows
from cnnexp.datasets.decoding.worker import Job, chunk_size
from cnnexp.datasets.measures import measure
from cnnexp.datasets.sources.source import Catalogue, Pictures, Source
from cnnexp.errors import DataError
from cnnexp.images import READER, ImageSpec
from cnnexp.system.files import replacing
from cnnexp.system.text import printable


class Journal:
    """Which chunks are written, a line of JSON each, so that interrupted work continues."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[int, Unreadable]:
        """Give the chunks that are written, each with its unreadable rows; a torn last line is taken off."""
        lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True) if self._path.exists() else []
        whole = [json.loads(line) for line in lines if line.endswith("\n")]
        if len(whole) < len(lines):  # the process ended within its last line
            self._path.write_text("".join(lines[: len(whole)]), encoding="utf-8")
        return {entry["chunk"]: {int(row): why for row, why in entry["unreadable"].items()} for entry in whole}

    def add(self, chunk: int, unreadable: Unreadable) -> None:
        """Note down a chunk whose pixels are written."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"chunk": chunk, "unreadable": unreadable}) + "\n")

    def chunks_done(self) -> int:
        """Count without reading, for another process that waits."""
        return self._path.read_bytes().count(b"\n") if self._path.exists() else 0

    def discard(self) -> None:
        """Forget everything."""
        self._path.unlink(missing_ok=True)


JOURNAL = "journal.jsonl"
FORMAT = 7  # of an entry; raise it when the files below change
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)

OnProgress = Callable[[int, int], None]  # (images done, images in all)


def decoded(source: Source, request: Request, *, folder: Path, on_progress: OnProgress) -> Decoded:
    """Open the data set from the cache folder, after decoding it there if that was not done before.

    Raises:
        DataError: the cache folder is full or cannot be written.

    """
    if not source.cached:
        return _packaged(source, request)
    entry = _entry(source, request, folder)
    try:
        if not is_whole(entry):
            _fill(entry, *_contents(source), source=source, request=request, on_progress=on_progress)
        return opened(entry)
    except OSError as error:
        raise _cannot_write(folder, error) from error


def kept_spec(source: Source, request: Request, *, folder: Path) -> ImageSpec | None:
    """Return by which rule the images were read that are in the cache already; None where they are not."""
    try:
        facts = cache.finished(_entry(source, request, folder))
    except OSError:  # which reading will say
        return None
    return None if facts is None else ImageSpec(**facts["spec"])


def _entry(source: Source, request: Request, folder: Path) -> Path:
    return folder / f"{source.name}-{_key(source, request)}"


def _key(source: Source, request: Request) -> str:
    facts = [FORMAT, READER, source.name, source.state, dataclasses.astuple(request)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


_kept: dict[str, Decoded] = {}  # the latest data set that is no entry


def _packaged(source: Source, request: Request) -> Decoded:
    """Return data that came with a library and never change: a sweep's process decodes them once for all its runs."""
    key = _key(source, request)
    found = _kept.get(key)
    if found is None:
        found = _in_memory(source, request)
        _kept.clear()
        _kept[key] = found
    return found


def _in_memory(source: Source, request: Request) -> Decoded:
    catalogue, pictures = _contents(source)
    spec, notes = resolve(request, pictures)
    chunk = decode_rows(pictures, range(len(pictures)), spec)
    chunk.images.flags.writeable = False
    unreadable = set(chunk.unreadable)
    copies = decode.first_copies(chunk.fingerprints, chunk.headers, pictures, spec, unreadable=unreadable)
    return Decoded(
        catalogue=_with_notes(catalogue, notes),
        spec=spec,
        images=chunk.images,
        copies=copies,
        read_measures=functools.cache(
            functools.partial(
                measure,
                chunk.images,
                chunk.headers,
                labels=catalogue.labels,
                copies=copies,
                unreadable=chunk.unreadable,
            )
        ),
        unreadable=chunk.unreadable,
        content=hashlib.sha256(np.ascontiguousarray(chunk.images).data).hexdigest(),
    )


def _contents(source: Source) -> tuple[Catalogue, Pictures]:
    try:
        return source.open()
    except OSError as error:
        raise DataError(f"{source.origin} cannot be read: {error.strerror} ({error.filename}).") from error


def _with_notes(catalogue: Catalogue, notes: tuple[str, ...]) -> Catalogue:
    return dataclasses.replace(catalogue, notes=(*catalogue.notes, *notes))


def _fill(
    entry: Path,
    catalogue: Catalogue,
    pictures: Pictures,
    *,
    source: Source,
    request: Request,
    on_progress: OnProgress,
) -> None:
    """Decode into an entry; the same work done by another process at this moment is waited for."""
    total = len(pictures)
    journal = Journal(entry / JOURNAL)

    def show_progress_of_other() -> None:
        if done := journal.chunks_done():  # 0 also when it has just finished
            on_progress(min(done * chunk_size(total), total), total)

    with cache.locked(entry, while_waiting=show_progress_of_other):
        if is_whole(entry):
            return
        try:
            spec, notes = resolve(request, pictures)
            job = _reserve(entry, pictures, spec)
            unreadable = _decode(job, journal, on_progress)
            journal.discard()  # first: what it says is about files that get another name now
            finish(entry, job, source, _with_notes(catalogue, notes), unreadable)
        except OSError as error:
            if error.errno in _FULL:
                shutil.rmtree(entry)
            raise


def _reserve(entry: Path, pictures: Pictures, spec: ImageSpec) -> Job:
    """Create the files at full size, so that a full disk is known before the work and not after half of it."""
    images, prints, headers = (entry / name for name in ("images.part.npy", "fingerprints.part", "headers.part"))
    shape = (len(pictures), *spec.shape)
    if not images.exists():
        Journal(entry / JOURNAL).discard()
        with replacing(images) as beginning:
            with beginning.open("wb") as file:
                header = {"descr": "|u1", "fortran_order": False, "shape": shape}
                np.lib.format.write_array_header_1_0(file, header)
                file.flush()
                _allocate(file.fileno(), file.tell() + int(np.prod(shape)))
            for path, each in ((prints, decode.LENGTH), (headers, HEADER.itemsize)):
                with path.open("wb") as file:
                    _allocate(file.fileno(), len(pictures) * each)
    offset = images.stat().st_size - int(np.prod(shape))
    return Job(pictures, spec, images, offset, prints, headers)


def _allocate(file: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:  # macOS: the disk may fill up later, which is noticed then
        os.truncate(file, size)


def _decode(job: Job, journal: Journal, on_progress: OnProgress) -> Unreadable:
    """Decode every chunk that the journal does not know, and note each down when it is written."""
    done = journal.read()
    total = len(job.pictures)
    on_progress(min(len(done) * job.chunk, total), total)
    todo = [chunk for chunk in range(job.chunks) if chunk not in done]
    with closing(pool.run(job, todo)) as finished:
        for chunk, unreadable in finished:
            done[chunk] = unreadable
            journal.add(chunk, unreadable)
            on_progress(min(len(done) * job.chunk, total), total)
    return {row: reason for chunk in sorted(done) for row, reason in done[chunk].items()}


def _cannot_write(folder: Path, error: OSError) -> DataError:
    if error.errno in PASSING and not str(error.filename).startswith(str(folder)):
        return DataError(
            f"Every image must be readable; {printable(str(error.filename or 'one'))} was not, which may pass: "
            f"{error.strerror}. What is decoded is kept; run the same command again."
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
