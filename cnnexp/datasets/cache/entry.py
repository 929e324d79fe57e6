"""A finished data set in the cache: how its files are written, and opened again."""

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets.cache import folder
from cnnexp.datasets.cache.folder import READY
from cnnexp.datasets.decoding.decode import HEADER, LENGTH, Headers, Unreadable, first_duplicates
from cnnexp.datasets.decoding.worker import DecodeJob
from cnnexp.datasets.sources.source import DataSource, Manifest
from cnnexp.images import READER, ImageSpec
from cnnexp.records import Images
from cnnexp.system.files import replacing, write_atomically

_BLOCK = 2**22  # bytes hashed at a time

Arrays = Mapping[str, NDArray[Any]]


class KeepArrays(Protocol):
    """Keeps arrays that were computed from a data set beside it, so that later runs need not compute them again."""

    def __call__(self, name: str, compute: Callable[[], Arrays]) -> Arrays:
        """Return the arrays that are kept under `name`; the first time, compute and keep them."""


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


def finish(entry: Path, job: DecodeJob, source: DataSource, manifest: Manifest, unreadable: Unreadable) -> None:
    """Turn decoded pixels into a finished entry; `entry.json`, which makes it one, is written last.

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
    description = {
        "name": source.name,
        "origin": source.origin,
        "images": len(manifest.labels),
        "class_names": manifest.class_names,
        "empty": manifest.empty_classes,
        "notes": manifest.notes,
        "spec": dataclasses.asdict(job.spec),
        "unreadable": unreadable,
        "content": _digest(job.images, job.offset),
        "bytes": job.images.stat().st_size,
        "reader": READER,
    }
    job.images.rename(entry / "images.npy")
    job.fingerprints.unlink()
    job.headers.unlink()
    write_atomically(entry / READY, json.dumps(description, indent=1).encode())


def _digest(path: Path, offset: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(offset)
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def is_whole(entry: Path) -> bool:
    """Return whether an entry is finished, and its pixels still have the size they were written with."""
    description, images = folder.description(entry), entry / "images.npy"
    return description is not None and images.exists() and images.stat().st_size == description["bytes"]


def open_entry(entry: Path) -> DecodedDataset:
    """Open a finished entry; pixels stay on disk until they are used."""
    description: Mapping[str, Any] = json.loads((entry / READY).read_text(encoding="utf-8"))
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
        spec=ImageSpec(**description["spec"]),
        images=np.load(entry / "images.npy", mmap_mode="r"),
        headers=headers,
        duplicate_of=duplicate_of,
        unreadable={int(row): reason for row, reason in description["unreadable"].items()},
        pixel_digest=description["content"],
        keep=partial(_keep_in_entry, entry),
    )


def _keep_in_entry(entry: Path, name: str, compute: Callable[[], Arrays]) -> Arrays:
    file = entry / f"{name}.npz"
    if not file.exists():
        with folder.locked(entry, while_waiting=lambda: None):
            if not file.exists():  # else another process computed them while this one waited
                arrays = compute()  # if the disk is full, not kept but computed again next time
                with suppress(OSError), replacing(file) as part, part.open("wb") as opened:
                    np.savez(opened, **arrays)  # type: ignore[arg-type]
                return arrays
    with np.load(file, allow_pickle=False) as arrays:
        return dict(arrays)


def keep_in_memory() -> KeepArrays:
    """Return what keeps arrays as long as the data set itself is in memory."""
    kept: dict[str, Arrays] = {}

    def keep(name: str, compute: Callable[[], Arrays]) -> Arrays:
        if name not in kept:
            kept[name] = compute()
        return kept[name]

    return keep
