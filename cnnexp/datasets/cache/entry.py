"""A finished data set in the cache: its files written, and opened again."""

import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets import measures
from cnnexp.datasets.cache import folder
from cnnexp.datasets.cache.folder import READY
from cnnexp.datasets.decoding.decode import HEADER, LENGTH, Unreadable, first_copies
from cnnexp.datasets.decoding.worker import Job
from cnnexp.datasets.measures import Measures, measure
from cnnexp.datasets.sources.source import Catalogue, Source
from cnnexp.images import READER, ImageSpec
from cnnexp.records import Images
from cnnexp.system.files import write_atomically

_READ_AT_ONCE = 2**22  # bytes


@dataclass(frozen=True, slots=True)
class Decoded:
    """A data set whose every image is pixels, or known to be unreadable."""

    catalogue: Catalogue
    spec: ImageSpec
    images: Images  # (N, H, W, C); may be a memory map; zero where unreadable
    copies: NDArray[np.int64]  # (N,) the first image with the same pixels at its own size
    read_measures: Callable[[], Measures]  # taken, or read, when they are asked for
    unreadable: Unreadable
    content: str  # sha256 (hex) of `images`


def finish(entry: Path, job: Job, source: Source, catalogue: Catalogue, unreadable: Unreadable) -> None:
    """Turn decoded pixels into a finished entry; the file that says so is the last one written."""
    fingerprints = np.fromfile(job.fingerprints, np.uint8).reshape(-1, LENGTH)
    headers = np.fromfile(job.headers, HEADER)
    copies = first_copies(fingerprints, headers, job.pictures, job.spec, unreadable=set(unreadable))
    np.savez(
        entry / "catalogue.npz",
        labels=catalogue.labels,
        declared=catalogue.declared,
        copies=copies,
        headers=headers,
        groups=np.empty(0, np.int64) if catalogue.groups is None else catalogue.groups,
    )
    (entry / "files.txt").write_text("\n".join(catalogue.files), encoding="utf-8")
    facts = {
        "name": source.name,
        "origin": source.origin,
        "images": len(catalogue.labels),
        "class_names": catalogue.class_names,
        "empty": catalogue.empty,
        "notes": catalogue.notes,
        "spec": dataclasses.asdict(job.spec),
        "unreadable": unreadable,
        "content": _digest(job.images, job.offset),
        "bytes": job.images.stat().st_size,
        "reader": READER,
    }
    job.images.rename(entry / "images.npy")
    job.fingerprints.unlink()
    job.headers.unlink()
    write_atomically(entry / READY, json.dumps(facts, indent=1).encode())


def _digest(path: Path, offset: int) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        file.seek(offset)
        while block := file.read(_READ_AT_ONCE):
            digest.update(block)
    return digest.hexdigest()


def is_whole(entry: Path) -> bool:
    """Say whether an entry is finished, and its pixels still have the size they were written with."""
    facts, images = folder.finished(entry), entry / "images.npy"
    return facts is not None and images.exists() and images.stat().st_size == facts["bytes"]


def opened(entry: Path) -> Decoded:
    """Open a finished entry; pixels stay on disk until they are looked at."""
    facts: Mapping[str, Any] = json.loads((entry / READY).read_text(encoding="utf-8"))
    os.utime(entry / READY)  # `cache.entries` tells when it was last used
    with np.load(entry / "catalogue.npz", allow_pickle=False) as arrays:
        catalogue = Catalogue(
            class_names=tuple(facts["class_names"]),
            labels=arrays["labels"],
            files=tuple((entry / "files.txt").read_text(encoding="utf-8").split("\n")),
            declared=arrays["declared"],
            groups=arrays["groups"] if len(arrays["groups"]) else None,
            empty=tuple(facts["empty"]),
            notes=tuple(facts["notes"]),
        )
        copies, headers = arrays["copies"], arrays["headers"]
    images = np.load(entry / "images.npy", mmap_mode="r")
    unreadable = {int(row): reason for row, reason in facts["unreadable"].items()}

    def measured() -> Measures:
        return measure(images, headers, labels=catalogue.labels, copies=copies, unreadable=unreadable)

    return Decoded(
        catalogue=catalogue,
        spec=ImageSpec(**facts["spec"]),
        images=images,
        copies=copies,
        read_measures=functools.cache(functools.partial(_kept_measures, entry, measured)),
        unreadable=unreadable,
        content=facts["content"],
    )


def _kept_measures(entry: Path, measured: Callable[[], Measures]) -> Measures:
    """Read the measures of an entry, taken where no process did so before."""
    file = entry / "measures.npz"
    if not file.exists():
        with folder.locked(entry, while_waiting=lambda: None):
            if not file.exists():  # else a run that started together with this one has just taken them
                taken = measured()
                with suppress(OSError):  # on a full disk they are taken again next time
                    measures.save(file, taken)
                return taken
    return measures.load(file)
