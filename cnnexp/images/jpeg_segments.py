"""The segments of a JPEG file before its image: which of them count, and how often the image is gone over.

A decoder takes seconds or minutes for a file of a few hundred kilobytes that repeats segments or scans on purpose.
"""

import struct
from dataclasses import dataclass

from .errors import UnreadableImageError
from .spec import PIXEL_LIMIT

MOST_SEGMENTS = 10_000
SCANS = 16  # of PIXEL_LIMIT pixels; smaller images may have more, and progressive files have about ten

_START = 2  # bytes of the first marker, which begins every file
_SEGMENT = struct.Struct(">BBH")  # 255, marker, length of what follows the marker
_SCAN, _APP0, _APP1, _ADOBE, _APP15, _COMMENT = 0xDA, 0xE0, 0xE1, 0xEE, 0xEF, 0xFE
_ALONE = (0x01, *range(0xD0, 0xDA))  # markers without a length
_NAMES = {"exif": b"Exif\0\0", "xmp": b"http://ns.adobe.com/xap/1.0/\0"}  # as Pillow calls what begins with it


@dataclass(frozen=True, slots=True)
class Segments:
    """A file and its segments."""

    content: bytes
    metadata: dict[str, bytes]  # the first Exif and the first XMP, under Pillow's names
    kept: tuple[tuple[int, int], ...]  # start and end of each segment that says something about the pixels
    scan: int  # where the image begins

    def essential(self) -> bytes:
        """Return the file without profiles, previews, comments and the like."""
        return b"".join(
            (b"\xff\xd8", *(self.content[start:end] for start, end in self.kept), self.content[self.scan :])
        )

    def refuse_many_scans(self, pixels: int) -> None:
        """Refuse a file whose image is gone over more often than any program writes it.

        Raises:
            UnreadableImageError: it is.

        """
        scans = self.content.count(b"\xff\xda", self.scan)
        if scans > SCANS and (scans * pixels > SCANS * PIXEL_LIMIT or scans > MOST_SEGMENTS):
            raise UnreadableImageError(f"it has {scans:,} scans of {pixels:,} pixels; save it as an ordinary JPEG.")


def read(content: bytes) -> Segments:
    """Find the segments up to the first scan.

    Raises:
        UnreadableImageError: they cannot be parsed, or are too many.

    """
    metadata: dict[str, bytes] = {}
    kept: list[tuple[int, int]] = []
    at = _START
    for _ in range(MOST_SEGMENTS):
        marker, end = _segment(content, at)
        if marker == _SCAN:
            return Segments(content, metadata, tuple(kept), at)
        if marker == _APP1:
            for name, prefix in _NAMES.items():
                if name not in metadata and content.startswith(prefix, at + 4):
                    metadata[name] = content[at + 4 : end]
        elif _concerns_pixels(marker):
            kept.append((at, end))
        at = end
    raise UnreadableImageError(f"it has more than {MOST_SEGMENTS:,} segments before its image.")


def _segment(content: bytes, at: int) -> tuple[int, int]:
    """Return the marker of a segment, and where the segment ends."""
    if content[at : at + 2] == b"\xff\xff":  # a fill byte
        return 0xFF, at + 1
    try:
        beginning, marker, length = _SEGMENT.unpack_from(content, at)
    except struct.error:
        raise UnreadableImageError("the file is damaged or truncated (it ends before the image).") from None
    if beginning != 0xFF:
        raise UnreadableImageError(f"the file is damaged or truncated (no marker at byte {at:,}).")
    return marker, at + 2 if marker in _ALONE else at + 2 + length


def _concerns_pixels(marker: int) -> bool:
    return marker in (_APP0, _ADOBE) or not (_APP0 <= marker <= _APP15 or marker in (_COMMENT, 0xFF))
