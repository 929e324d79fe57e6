"""Decoded once, used by every later run: fills an entry of the cache, or opens it."""

import dataclasses
import errno
import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from cnnexp.datasets.cache import folder as cache
from cnnexp.datasets.cache.entry import DecodedDataset, damaged_files, discard, finish, is_whole, open_entry
from cnnexp.datasets.cache.journal import Journal
from cnnexp.datasets.cache.kept_arrays import keep_in_memory
from cnnexp.datasets.cache.reserve import JOURNAL, reserve
from cnnexp.datasets.decoding import pool
from cnnexp.datasets.decoding.decode import HEADER, TRANSIENT, Unreadable, decode_rows, first_duplicates
from cnnexp.datasets.decoding.image_request import ImageRequest, resolve_spec
from cnnexp.datasets.decoding.level_ranges import range_notes
from cnnexp.datasets.decoding.worker import DecodeJob, chunk_size
from cnnexp.datasets.sources.source import DataSource, ImageSource, Manifest
from cnnexp.errors import DataError
from cnnexp.images import READER, ImageSpec
from cnnexp.system.files import reason_of
from cnnexp.system.text import listed, printable

FORMAT = 8  # of an entry; raise it when the files that are described in `folder` change
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
        damaged = damaged_files(entry)
        if damaged or not is_whole(entry):
            _fill(entry, *_opened(source), source=source, request=request, on_progress=on_progress)
        decoded = open_entry(entry)
        return dataclasses.replace(decoded, manifest=_with_notes(decoded.manifest, _about_damage(entry, damaged)))
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _about_damage(entry: Path, damaged: Sequence[str]) -> tuple[str, ...]:
    """Return a note for this run alone; the entry is whole again."""
    if not damaged:
        return ()
    return (
        f"The decoded images in the cache were damaged, and were decoded again ({listed(damaged)} in {entry} had "
        "changed since they were written). If that happens again, the disk is failing: set data.cache to another.",
    )


def cached_spec(source: DataSource, request: ImageRequest, *, folder: Path) -> ImageSpec | None:
    """Return by which spec the images were read that are in the cache already; None where they are not."""
    description = cache.description(_entry(source, request, folder))
    return None if description is None else ImageSpec.from_dict(description["spec"])


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
    spec, notes = resolve_spec(request, images, files=manifest.files)
    chunk = decode_rows(images, range(len(images)), spec)
    chunk.images.flags.writeable = False
    unreadable = set(chunk.unreadable)
    return DecodedDataset(
        manifest=_with_notes(manifest, (*notes, *range_notes(chunk.headers))),
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
        raise DataError(f"{source.origin} cannot be read: {reason_of(error)}.") from error


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
            discard(entry)
            spec, notes = resolve_spec(request, images, files=manifest.files)
            job = reserve(entry, images, spec)
            unreadable = _decode(job, journal, on_progress)
            journal.discard()  # first, because it is about files that are renamed now
            notes = (*notes, *range_notes(np.fromfile(job.headers, HEADER)))
            finish(entry, job, source, _with_notes(manifest, notes), unreadable)
        except OSError as error:
            if error.errno in _FULL:
                shutil.rmtree(entry)
            raise


def _decode(job: DecodeJob, journal: Journal, on_progress: OnProgress) -> Unreadable:
    """Decode every chunk that is not in the journal, and add each to it when it is written."""
    done = journal.read(job)
    total = len(job.source)
    on_progress(min(len(done) * job.chunk, total), total)
    todo = [chunk for chunk in range(job.chunks) if chunk not in done]
    with closing(pool.decode_chunks(job, todo)) as finished:
        for number, chunk in finished:
            done[number] = chunk
            journal.add(number, chunk)
            on_progress(min(len(done) * job.chunk, total), total)
    return {row: reason for number in sorted(done) for row, reason in done[number].unreadable.items()}


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
        f"The cache folder {folder} cannot be used: {reason_of(error)}. Set data.cache to a folder that can be written."
    )
