"""Decoded once, used by every later run: fills an entry of the cache, or opens it."""

import dataclasses
import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets import cache, workers
from cnnexp.datasets.decoding import FINGERPRINT, Unreadable, decode_rows, first_copies
from cnnexp.datasets.geometry import Request, resolve
from cnnexp.datasets.sources import Catalogue, Pictures, Source
from cnnexp.errors import DataError
from cnnexp.images import READER, ImageSpec
from cnnexp.records import Images

FORMAT = 2  # of an entry; raise it when the files below change
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_READ_AT_ONCE = 2**22  # bytes

OnProgress = Callable[[int, int], None]  # (images done, images in all)


@dataclass(frozen=True, slots=True)
class Decoded:
    """A data set whose every image is pixels, or known to be unreadable."""

    catalogue: Catalogue
    spec: ImageSpec
    images: Images  # (N, H, W, C); may be a memory map; zero where unreadable
    copies: NDArray[np.int64]  # (N,) the first image with the same pixels at its own size
    unreadable: Unreadable
    content: str  # sha256 (hex) of `images`


def decoded(source: Source, request: Request, *, folder: Path, on_progress: OnProgress) -> Decoded:
    """Open the data set from the cache folder, after decoding it there if that was not done before.

    Raises:
        DataError: the cache folder is full or cannot be written.

    """
    if not source.cached:
        return _in_memory(source, request)
    entry = folder / f"{source.name}-{_key(source, request)}"
    try:
        if not _is_whole(entry):
            _fill(entry, *_contents(source), source=source, request=request, on_progress=on_progress)
        return _opened(entry)
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _key(source: Source, request: Request) -> str:
    facts = [FORMAT, READER, source.name, source.state, dataclasses.astuple(request)]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def _in_memory(source: Source, request: Request) -> Decoded:
    catalogue, pictures = source.open()
    spec = resolve(request, pictures)
    chunk = decode_rows(pictures, range(len(pictures)), spec)
    return Decoded(
        catalogue=catalogue,
        spec=spec,
        images=chunk.images,
        copies=first_copies(chunk.fingerprints, chunk.unreadable),
        unreadable=chunk.unreadable,
        content=hashlib.sha256(np.ascontiguousarray(chunk.images).data).hexdigest(),
    )


def _contents(source: Source) -> tuple[Catalogue, Pictures]:
    try:
        return source.open()
    except OSError as error:
        raise DataError(f"{source.origin} cannot be read: {error.strerror} ({error.filename}).") from error


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
    journal = _Journal(entry / "journal.jsonl")
    with cache.locked(entry, while_waiting=lambda: on_progress(min(journal.images_done(), total), total)):
        if _is_whole(entry):
            return
        try:
            job = _reserve(entry, pictures, resolve(request, pictures))
            unreadable = _decode(job, journal, on_progress)
            _finish(entry, job, source, catalogue, unreadable)
        except OSError as error:
            if error.errno in _FULL:
                shutil.rmtree(entry)
            raise


def _reserve(entry: Path, pictures: Pictures, spec: ImageSpec) -> workers.Job:
    """Create both files at full size, so that a full disk is known before the work and not after half of it."""
    images, fingerprints = entry / "images.part.npy", entry / "fingerprints.part"
    shape = (len(pictures), *spec.shape)
    if not images.exists():
        (entry / "journal.jsonl").unlink(missing_ok=True)
        beginning = entry / "images.begin"
        with beginning.open("wb") as file:
            header = {"descr": "|u1", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, header)
            file.flush()
            _allocate(file.fileno(), file.tell() + int(np.prod(shape)))
        with fingerprints.open("wb") as file:
            _allocate(file.fileno(), len(pictures) * FINGERPRINT)
        beginning.rename(images)
    offset = images.stat().st_size - int(np.prod(shape))
    return workers.Job(pictures, spec, images, offset, fingerprints)


def _allocate(file: int, size: int) -> None:
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(file, 0, size)
    else:  # macOS: the disk may fill up later, which is noticed then
        os.truncate(file, size)


def _decode(job: workers.Job, journal: "_Journal", on_progress: OnProgress) -> Unreadable:
    """Decode every chunk that the journal does not know, and note each down when it is written."""
    done = journal.read()
    total = len(job.pictures)
    on_progress(min(len(done) * workers.CHUNK, total), total)
    todo = [chunk for chunk in range(job.chunks) if chunk not in done]
    with closing(workers.run(job, todo)) as finished:
        for chunk, unreadable in finished:
            done[chunk] = unreadable
            journal.add(chunk, unreadable)
            on_progress(min(len(done) * workers.CHUNK, total), total)
    return {row: reason for chunk in sorted(done) for row, reason in done[chunk].items()}


class _Journal:
    """Which chunks are written, a line of JSON each, so that interrupted work continues."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[int, Unreadable]:
        lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True) if self._path.exists() else []
        whole = [json.loads(line) for line in lines if line.endswith("\n")]
        if len(whole) < len(lines):  # the process ended within its last line
            self._path.write_text("".join(lines[: len(whole)]), encoding="utf-8")
        return {entry["chunk"]: {int(row): why for row, why in entry["unreadable"].items()} for entry in whole}

    def add(self, chunk: int, unreadable: Unreadable) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"chunk": chunk, "unreadable": unreadable}) + "\n")

    def images_done(self) -> int:
        return self._path.read_bytes().count(b"\n") * workers.CHUNK if self._path.exists() else 0


def _finish(entry: Path, job: workers.Job, source: Source, catalogue: Catalogue, unreadable: Unreadable) -> None:
    fingerprints = np.fromfile(job.fingerprints, np.uint8).reshape(-1, FINGERPRINT)
    np.savez(
        entry / "catalogue.npz",
        labels=catalogue.labels,
        declared=catalogue.declared,
        copies=first_copies(fingerprints, unreadable),
        groups=np.empty(0, np.int64) if catalogue.groups is None else catalogue.groups,
    )
    (entry / "files.txt").write_text("\n".join(catalogue.files), encoding="utf-8")
    facts = {
        "name": source.name,
        "origin": source.origin,
        "images": len(catalogue.labels),
        "class_names": catalogue.class_names,
        "notes": catalogue.notes,
        "spec": dataclasses.asdict(job.spec),
        "unreadable": unreadable,
        "content": _digest(job.images, job.offset),
        "bytes": job.images.stat().st_size,
        "reader": READER,
    }
    (entry / "journal.jsonl").unlink()  # first: what it says is about the files that go next
    job.images.rename(entry / "images.npy")
    job.fingerprints.unlink()
    part = entry / "entry.part"
    part.write_text(json.dumps(facts, indent=1), encoding="utf-8")
    part.replace(entry / cache.READY)


def _digest(path: Path, offset: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(offset)
        while block := file.read(_READ_AT_ONCE):
            digest.update(block)
    return digest.hexdigest()


def _is_whole(entry: Path) -> bool:
    """Say whether an entry is finished and its pixels still have the size they were written with."""
    ready, images = entry / cache.READY, entry / "images.npy"
    return (
        ready.exists()
        and images.exists()
        and images.stat().st_size == json.loads(ready.read_text(encoding="utf-8"))["bytes"]
    )


def _opened(entry: Path) -> Decoded:
    facts: Mapping[str, Any] = json.loads((entry / cache.READY).read_text(encoding="utf-8"))
    os.utime(entry / cache.READY)  # `cache.entries` tells when it was last used
    with np.load(entry / "catalogue.npz", allow_pickle=False) as arrays:
        catalogue = Catalogue(
            class_names=tuple(facts["class_names"]),
            labels=arrays["labels"],
            files=tuple((entry / "files.txt").read_text(encoding="utf-8").split("\n")),
            declared=arrays["declared"],
            groups=arrays["groups"] if len(arrays["groups"]) else None,
            notes=tuple(facts["notes"]),
        )
        copies = arrays["copies"]
    return Decoded(
        catalogue=catalogue,
        spec=ImageSpec(**facts["spec"]),
        images=np.load(entry / "images.npy", mmap_mode="r"),
        copies=copies,
        unreadable={int(row): reason for row, reason in facts["unreadable"].items()},
        content=facts["content"],
    )


def _cannot_write(folder: Path, error: OSError) -> DataError:
    if error.errno in _FULL:
        return DataError(
            f"The cache folder {folder} has no room for the decoded images ({error.strerror}). Nothing of them was "
            "left there. Free some space, or set data.cache to a folder that has room."
        )
    return DataError(
        f"The cache folder {folder} cannot be used: {error.strerror} ({error.filename}). "
        "Set data.cache to a folder that can be written."
    )
