"""Delta encoding: files of a model stored as what differs from a base, a similar file that is stored once for many.

The runs of a sweep whose backbone is frozen have the same network but for its head, and the same training images. The
run above them keeps a base of each file among its artifacts; a delta says which bytes come from it, and has the others.
The file that it gives is the original, byte by byte. A delta is one line of JSON, and then these other bytes.
"""

import io
import json
import re
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .card import UnfitModelError, digest_of

SUFFIX = ".delta"  # added to the name of the file that it stands for
BLOCK = 4096  # bytes that are compared together
_LITERAL = -1  # instead of a place in the base: the next bytes of the delta itself

Piece = tuple[int, int]  # where it begins in the base, or _LITERAL, and its bytes
ReadBase = Callable[[str, str], bytes | None]  # (run, name among its artifacts) -> content


@dataclass(frozen=True, kw_only=True, slots=True)
class Delta:
    """A file in terms of its base."""

    run: str  # that has the base
    base: str  # its name among the artifacts of the run
    digest: str  # sha256 (hex) of the base
    pieces: tuple[Piece, ...]
    literals: bytes

    def apply(self, base: bytes) -> bytes:
        """Return the file.

        Raises:
            UnfitModelError: this is not the base, or the delta is damaged.

        """
        if digest_of(base) != self.digest:
            raise UnfitModelError(
                f"{self.base} of run {self.run} is not the file that this model was stored with: it was replaced or "
                "damaged."
            )
        if sum(abs(count) for _, count in self.pieces) > len(base) + len(self.literals):
            raise UnfitModelError("A part of the model is damaged: it claims more bytes than there are.")
        parts, read = [], 0
        for start, count in self.pieces:
            parts.append(self.literals[read : read + count] if start == _LITERAL else base[start : start + count])
            read += count if start == _LITERAL else 0
        return b"".join(parts)

    def to_bytes(self) -> bytes:
        """Return the delta as a file."""
        header = {"run": self.run, "base": self.base, "digest": self.digest, "pieces": self.pieces}
        return json.dumps(header).encode() + b"\n" + self.literals

    @classmethod
    def from_bytes(cls, content: bytes) -> "Delta":
        """Read a delta.

        Raises:
            UnfitModelError: it is damaged.

        """
        first, _, literals = content.partition(b"\n")
        try:
            header = json.loads(first)
            pieces = tuple((int(start), int(count)) for start, count in header["pieces"])
            names = {name: str(header[name]) for name in ("run", "base", "digest")}
        except (ValueError, TypeError, KeyError) as error:
            raise UnfitModelError(f"A part of the model is damaged: {error}.") from error
        if not re.fullmatch(r"[\w-]+/[\w.-]+", names["base"]):
            raise UnfitModelError(f"A part of the model is damaged: {names['base']!r} is not among any artifacts.")
        return cls(**names, pieces=pieces, literals=literals)


def encode(content: bytes, base: bytes, *, run: str, name: str) -> Delta:
    """Return the delta that makes `content` of a base, which is stored under a name among the artifacts of a run."""
    pieces = tuple(_joined(_pieces(content, base)))
    position, literals = 0, []
    for start, count in pieces:
        if start == _LITERAL:
            literals.append(content[position : position + count])
        position += count
    return Delta(run=run, base=name, digest=digest_of(base), pieces=pieces, literals=b"".join(literals))


def _pieces(content: bytes, base: bytes) -> Iterator[Piece]:
    """Compare members of the same name and size; what is between them, such as their dates, is literal."""
    places = {(name, size): start for name, start, size in _members(base)}
    position = 0
    for name, start, size in _members(content):
        if (name, size) in places:
            yield _LITERAL, start - position
            yield from _compared(content[start : start + size], base, places[name, size])
            position = start + size
    yield _LITERAL, len(content) - position


def _compared(member: bytes, base: bytes, start: int) -> Iterator[Piece]:
    other = np.frombuffer(base, np.uint8, len(member), start)
    changed = set((np.flatnonzero(np.frombuffer(member, np.uint8) != other) // BLOCK).tolist())
    for number, begin in enumerate(range(0, len(member), BLOCK)):
        yield _LITERAL if number in changed else start + begin, min(BLOCK, len(member) - begin)


def _joined(pieces: Iterator[Piece]) -> list[Piece]:
    """Join pieces that follow one another, and leave out what is empty."""
    joined: list[Piece] = []
    for start, count in pieces:
        if joined and start == (_LITERAL if joined[-1][0] == _LITERAL else sum(joined[-1])):
            joined[-1] = (joined[-1][0], joined[-1][1] + count)
        elif count:
            joined.append((start, count))
    return joined


def _members(content: bytes) -> list[tuple[str, int, int]]:
    """Return name, place and size of the uncompressed members of a zip archive, in order; of another file none."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            stored = [one for one in archive.infolist() if one.compress_type == zipfile.ZIP_STORED]
    except zipfile.BadZipFile:
        return []
    return sorted(
        ((one.filename, _data_at(content, one.header_offset), one.file_size) for one in stored), key=lambda one: one[1]
    )


def _data_at(content: bytes, header: int) -> int:
    """Return where a member begins: behind a header of 30 bytes, its name, and an extra field."""
    lengths = np.frombuffer(content, "<u2", 2, header + 26)
    return header + 30 + int(lengths.sum())


def deltas(folder: Path) -> list[Path]:
    """Return the deltas in the folder of a model; none: all of its files are whole."""
    return sorted(folder.glob(f"*{SUFFIX}"))


def restore(folder: Path, read_base: ReadBase) -> None:
    """Put the whole files in the place of the deltas in the folder of a model.

    Raises:
        UnfitModelError: a base is gone, or something is damaged.

    """
    for file in deltas(folder):
        delta = Delta.from_bytes(file.read_bytes())
        base = read_base(delta.run, delta.base)
        if base is None:
            raise UnfitModelError(
                f"The runs of a sweep share what is alike in their models, such as a frozen backbone; that of this one "
                f"is {delta.base} among the artifacts of run {delta.run}, and is not there."
            )
        file.with_name(file.name.removesuffix(SUFFIX)).write_bytes(delta.apply(base))
        file.unlink()
