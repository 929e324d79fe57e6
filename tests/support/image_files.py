"""Files of images and what is asked of their reader."""

import struct
import zlib

import numpy as np

from cnnexp.images import ImageSpec

HEIGHT, WIDTH = 16, 32
BACKGROUND = 200


def spec(height=HEIGHT, width=WIDTH, **changes):
    values = {"color": "rgb", "resize": "stretch", "kernel": "bilinear", "antialias": True, "background": BACKGROUND}
    return ImageSpec(height, width, **{**values, **changes})


STORED = {  # how an upright picture is stored for each EXIF orientation, by the standard's definition
    1: lambda upright: upright,
    2: lambda upright: upright[:, ::-1],
    3: lambda upright: upright[::-1, ::-1],
    4: lambda upright: upright[::-1],
    5: lambda upright: upright.transpose(1, 0, 2),
    6: lambda upright: np.rot90(upright, 1),
    7: lambda upright: np.rot90(upright, 2).transpose(1, 0, 2),
    8: lambda upright: np.rot90(upright, -1),
}


def chunk(name, content):
    return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))


def bomb(side):
    """A PNG of a few bytes that claims to have side × side pixels."""
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")
