"""What every data source provides before anything is decoded: a manifest, and the images."""

import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol
from zipfile import ZipFile

import numpy as np
from numpy.typing import NDArray

from cnnexp.images import ImageInput, UnreadableImageError
from cnnexp.system.text import printable

UNDECLARED = -1  # in Manifest.declared_splits: the source does not say which split an image belongs to
FILE_LIMIT = 256 * 2**20  # bytes one file inside an archive may unpack to


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is known about each image besides its pixels."""

    class_names: tuple[str, ...]
    labels: NDArray[np.int64]  # (N,) index into the class names
    files: tuple[str, ...]  # (N,) path relative to the data folder, or "index-17"
    declared_splits: NDArray[np.int8]  # (N,) index into records.SPLIT_NAMES, or UNDECLARED
    groups: NDArray[np.int64] | None  # (N,) images of one group (equal number) stay in one split; None: no groups
    empty_classes: tuple[str, ...]  # folders that should hold images of a class and hold none
    notes: tuple[str, ...]  # one sentence each


class ImageSource(Protocol):
    """The images of a data set, not yet decoded: each item is something that ``images.read_image`` takes."""

    def __len__(self) -> int: ...

    def __getitem__(self, row: int) -> ImageInput: ...


@dataclass(frozen=True, slots=True)
class ArraySource:
    """Images that are already in memory."""

    pixels: NDArray[Any]  # (N, H, W) or (N, H, W, C)

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, row: int) -> ImageInput:
        pixels: NDArray[Any] = self.pixels[row]
        return pixels


@dataclass(frozen=True, slots=True)
class FileSource:
    """Image files below one folder."""

    root: Path
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, row: int) -> ImageInput:
        return f"{self.root}/{self.names[row]}"


@dataclass(frozen=True)
class ZipSource:
    """Image files inside a zip archive."""

    archive: Path
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, row: int) -> ImageInput:
        member = self._zip.getinfo(self.names[row])
        if member.file_size > FILE_LIMIT:
            raise UnreadableImageError(f"it unpacks to {member.file_size:,} bytes; at most {FILE_LIMIT:,} are read.")
        try:
            return self._zip.read(member)
        except Exception as error:  # zipfile raises zlib.error, BadZipFile, RuntimeError, NotImplementedError, ...
            raise UnreadableImageError(f"the archive is damaged here ({error}).") from error

    @cached_property
    def _zip(self) -> ZipFile:
        return ZipFile(self.archive)

    def __reduce__(self) -> tuple[Any, ...]:
        return ZipSource, (self.archive, self.names)  # an open archive cannot go to another process


@dataclass(frozen=True, slots=True)
class DataSource:
    """A data set that was found, and how to open it."""

    name: str
    origin: str  # for a reader: a path, or the function that returns it
    state: str  # changes when any file changes that the images are made from
    open: Callable[[], tuple[Manifest, ImageSource]]
    cached: bool  # False: faster to read again than to keep on disk
    notes: tuple[str, ...] = ()  # about what is beside the images, and therefore not in `state`; one sentence each


_DIGITS = re.compile(r"(\d{1,18})")


_BLANKS = r"[\s\ufeff\u200b\u200e\u200f\u2060]+"  # blanks of all scripts, byte order marks, letters without width
_AROUND = re.compile(rf"\A{_BLANKS}|{_BLANKS}\Z")


def without_blanks(text: str) -> str:
    """Return a text without what cannot be seen at its ends; within it, blanks stay."""
    return text if text.isascii() and text.isalnum() else _AROUND.sub("", text)


def class_name(name: str) -> str:
    """Normalize the spelling of a class name: macOS and Linux write the same accented letter in two ways."""
    return printable(unicodedata.normalize("NFC", without_blanks(name) or name))


def natural_order(names: Iterable[str]) -> tuple[str, ...]:
    """Sort so that numbers inside names count as numbers: 2 before 10."""
    return tuple(sorted(set(names), key=_natural_key))


def _natural_key(name: str) -> tuple[list[tuple[int, int, str]], str]:
    parts = _DIGITS.split(name)
    key = [(0, int(part), "") if number % 2 else (1, 0, part.casefold()) for number, part in enumerate(parts) if part]
    return key, name
