"""Image files of kinds that Pillow does not write, byte by byte."""

import struct
import zlib

import numpy as np

from support.image_files import chunk

SIGNATURE = b"\x89PNG\r\n\x1a\n"
UNSIGNED, SIGNED, FLOAT = 1, 2, 3


def png(samples, *, bits=8, kind=0, before=b"", after=b"", transparent=None):
    """A PNG: kind 0 grey, 2 RGB, 4 grey and alpha, 6 RGBA; with chunks before and after its pixels."""
    height, width = samples.shape[:2]
    rows = samples.astype(f">u{bits // 8}").reshape(height, -1)
    content = b"".join(b"\0" + row.tobytes() for row in rows)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0))
    clear = b"" if transparent is None else chunk(b"tRNS", struct.pack(">H", transparent))
    return SIGNATURE + header + before + clear + chunk(b"IDAT", zlib.compress(content)) + after + chunk(b"IEND", b"")


def tiff(samples, *, photometric=1, extra=(), order="<", bits=None, kind=None, tags=()):
    """An uncompressed TIFF of an array (H, W) or (H, W, C), one strip; `tags` are added or replace its own.

    A tag is (number, type, values): type 3 are 16-bit, 4 are 32-bit whole numbers; of type 7, bytes, count and place.
    """
    height, width = samples.shape[:2]
    bands = samples.shape[2] if samples.ndim == 3 else 1
    pixels = np.ascontiguousarray(samples.astype(samples.dtype.newbyteorder(order))).tobytes()
    kinds = {"u": UNSIGNED, "i": SIGNED, "f": FLOAT}
    own = {
        256: (4, (width,)),
        257: (4, (height,)),
        258: (3, (bits or samples.dtype.itemsize * 8,) * bands),
        259: (3, (1,)),
        262: (3, (photometric,)),
        273: (4, (8,)),
        277: (3, (bands,)),
        278: (4, (height,)),
        279: (4, (len(pixels),)),
        339: (3, (kind or kinds[samples.dtype.kind],) * bands),
        **({338: (3, extra)} if extra else {}),
        **{number: (type_, values) for number, type_, values in tags},
    }
    directory, behind = b"", b""
    at = 8 + len(pixels)
    end = at + 2 + 12 * len(own) + 4
    for number, (type_, values) in sorted(own.items()):
        packed = struct.pack(f"{order}{len(values)}{'H' if type_ == 3 else 'I'}", *values)
        count = len(values)
        if type_ == 7:
            count, place = values[0], packed[4:]
        elif len(packed) > 4:
            place = struct.pack(order + "I", end + len(behind))
            behind += packed
        else:
            place = packed.ljust(4, b"\0")
        directory += struct.pack(order + "HHI", number, type_, count) + place
    magic = b"II*\0" if order == "<" else b"MM\0*"
    entries = struct.pack(order + "H", len(own))
    return magic + struct.pack(order + "I", at) + pixels + entries + directory + b"\0\0\0\0" + behind


def bmp_rle(runs, width, height):
    """A run-length encoded BMP of 8 bits."""
    start = 14 + 40 + 1024
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 8, 1, len(runs), 0, 0, 256, 0)
    return b"BM" + struct.pack("<IHHI", start + len(runs), 0, 0, start) + header + bytes(1024) + runs


def segment(marker, content):
    """A segment of a JPEG."""
    return bytes((0xFF, marker)) + struct.pack(">H", len(content) + 2) + content
