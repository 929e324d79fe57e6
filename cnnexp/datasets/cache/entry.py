"""A finished data set in the cache: how its files are written, and opened again."""

import errno
import hashlib
import os
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets.cache import folder
from cnnexp.datasets.cache.checksums import checksum
from cnnexp.datasets.cache.folder import READY
from cnnexp.datasets.cache.kept_arrays import KeepArrays, keep_in_entry
from cnnexp.datasets.decoding.decode import HEADER, LENGTH, Headers, Unreadable, first_duplicates
from cnnexp.datasets.decoding.worker import DecodeJob
from cnnexp.datasets.sources.source import DataSource, Manifest
from cnnexp.images import READER, ImageSpec
from cnnexp.records import Images
from cnnexp.system.files import remove, sync_file, sync_folder

_BLOCK = 2**22  # bytes hashed at a time
_FILES = ("images.npy", "catalogue.npz", "files.txt")  # whose checksums `entry.json` holds


@dataclass(frozen=True, slots=True)
class DecodedDataset:
    """A data set of which every image is either decoded or known to be unreadable."""

    manifest: Manifest
    spec: ImageSpec
    images: Images  # (N, H, W, C); may be a memory map; zero where unreadable
    headers: Headers  # (N,) own size and colour mode of each image
    duplicate_of: NDArray[np.int64]  # (N,) the first image with the same pixels at its own size, perhaps itself
    unreadable: Unreadable
    pixel_digest: str  # sha256 (hex) of `images`
    keep: KeepArrays

    @property
    def properties(self) -> dict[str, NDArray[np.int64]]:
        """What is known of each image, (N,): its own width and height in pixels, and its group if there are groups."""
        sides = {side: self.headers[side].astype(np.int64) for side in ("width", "height")}
        return sides if self.manifest.groups is None else {**sides, "group": self.manifest.groups}


def finish(entry: Path, job: DecodeJob, source: DataSource, manifest: Manifest, unreadable: Unreadable) -> None:
    """Turn decoded pixels into a finished entry; `entry.json`, which makes it one, is written when all else is on disk.

    Names of files, arrays and keys are those that earlier versions wrote; changing one means raising `fill.FORMAT`.
    """
    fingerprints = np.fromfile(job.fingerprints, np.uint8).reshape(-1, LENGTH)
    headers = np.fromfile(job.headers, HEADER)
    np.savez(
        entry / "catalogue.npz",
        labels=manifest.labels,
        declared=manifest.declared_splits,
        copies=first_duplicates(fingerprints, headers, job.source, job.spec, unreadable=set(unreadable)),
        headers=headers,
        groups=np.empty(0, np.int64) if manifest.groups is None else manifest.groups,
    )
    (entry / "files.txt").write_text("\n".join(manifest.files), encoding="utf-8")
    content = _digest(job.images, job.offset)
    job.images.rename(entry / "images.npy")
    for name in _FILES:
        sync_file(entry / name)
    sync_folder(entry)
    description = {
        "name": source.name,
        "origin": source.origin,
        "images": len(manifest.labels),
        "class_names": manifest.class_names,
        "empty": manifest.empty_classes,
        "notes": manifest.notes,
        "spec": job.spec.as_dict(),
        "unreadable": unreadable,
        "content": content,
        "bytes": (entry / "images.npy").stat().st_size,  # all that cnnexp 0.1.0 verified, and still does
        "checksums": {name: checksum(entry / name) for name in _FILES},
        "reader": READER,
    }
    job.fingerprints.unlink()
    job.headers.unlink()
    folder.write_description(entry, description)


def _digest(path: Path, offset: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(offset)
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def is_whole(entry: Path) -> bool:
    """Return whether an entry is finished and every file of it has the content that it was written with."""
    return folder.description(entry) is not None and not damaged_files(entry)


def damaged_files(entry: Path) -> tuple[str, ...]:
    """Return the files of a finished entry that have another content than they were written with, or are missing.

    A file is read once in a process, and again when something about it has moved.
    """
    description = folder.description(entry)
    if description is None:
        return ()
    return tuple(name for name, expected in description["checksums"].items() if _checksum(entry / name) != expected)


def _checksum(path: Path) -> str | None:
    try:
        return checksum(path)
    except OSError:  # not there, no file, or on a part of the disk that cannot be read
        return None


def discard(entry: Path) -> None:
    """Remove the files that make an entry a finished one; it begins anew."""
    for name in (READY, *_FILES):
        remove(entry / name)


def open_entry(entry: Path) -> DecodedDataset:
    """Open an entry that is whole; pixels stay on disk until they are used.

    Raises:
        OSError: it was cleared by another process a moment ago.

    """
    description = folder.description(entry)
    if description is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(entry / READY))
    with suppress(OSError):  # of a folder that can only be read
        os.utime(entry / READY)  # read as the time of last use by `folder.entries`
    with np.load(entry / "catalogue.npz", allow_pickle=False) as arrays:
        manifest = Manifest(
            class_names=tuple(description["class_names"]),
            labels=arrays["labels"],
            files=tuple((entry / "files.txt").read_text(encoding="utf-8").split("\n")),
            declared_splits=arrays["declared"],
            groups=arrays["groups"] if len(arrays["groups"]) else None,
            empty_classes=tuple(description["empty"]),
            notes=tuple(description["notes"]),
        )
        duplicate_of, headers = arrays["copies"], arrays["headers"]
    return DecodedDataset(
        manifest=manifest,
        spec=ImageSpec.from_dict(description["spec"]),
        images=np.load(entry / "images.npy", mmap_mode="r"),
        headers=headers,
        duplicate_of=duplicate_of,
        unreadable={int(row): reason for row, reason in description["unreadable"].items()},
        pixel_digest=description["content"],
        keep=partial(keep_in_entry, entry, description["checksum"]),
    )
