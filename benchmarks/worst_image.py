"""Time and memory of the worst image files that the reader accepts, one at each of its limits.

    python benchmarks/worst_image.py

Each file is made here, in a temporary folder, of noise or of one colour, whatever is slower, and read at 64 × 64 × 3 in
a process of its own. Printed are the CPU seconds of the reading alone and the peak memory of the process, most of which
is pixels: 89 million take 0.36 GB as RGB of Pillow. Memory of an empty process with the reader is printed first.
"""

import argparse
import json
import os
import resource
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 9459  # pixels: a square of just below 89,478,485
SQUARE = (SIDE, SIDE)


def noise(shape: tuple[int, ...], dtype: str = "u1") -> np.ndarray:
    return np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)


def saved(path: Path, pixels: np.ndarray, format_: str, mode: str | None = None, **options: object) -> None:
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(path, format_, **options)


def progressive_of_many_scans(path: Path) -> None:
    """A JPEG with 16 scans over all pixels, seven of them empty."""
    saved(path, noise((*SQUARE, 3)), "JPEG", progressive=True, quality=50)
    content = path.read_bytes()
    table = b"\xff\xc4\x00\x14\x11" + b"\1" + bytes(15) + b"\xe0"  # one code: an end-of-band run of 16,384 blocks
    scan = b"\xff\xda\x00\x08\1\1\x11\1\x3f\0" + bytes(-(-((SIDE // 8 + 1) ** 2) // 2**14) * 2 + 1)
    empty = 16 - content.count(b"\xff\xda")
    path.write_bytes(content[:-2] + table + scan * empty + b"\xff\xd9")


def turned_cmyk(path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 7
    saved(path, noise((*SQUARE, 3)), "JPEG", mode="CMYK", exif=exif, quality=95)


def png(path: Path, width: int, height: int, *, bits: int, kind: int, interlaced: bool = False) -> None:
    """A PNG of zeros, written by hand."""
    samples = {0: 1, 2: 3, 4: 2, 6: 4}[kind]

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    packer = zlib.compressobj(1)
    row = bytes(1 + width * samples * bits // 8)
    rows = b"".join(packer.compress(row) for _ in range(height * (2 if interlaced else 1)))
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, int(interlaced))
    parts = chunk(b"IHDR", header), chunk(b"IDAT", rows + packer.flush()), chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def run_length_encoded(path: Path) -> None:
    runs = (b"\1\0" * 1400 + b"\0\0") * 1490 + b"\0\1"  # runs of one pixel: just below 4 MiB
    header = struct.pack("<IiiHHIIiiII", 40, 1400, 1490, 1, 8, 1, len(runs), 0, 0, 256, 0)
    start = 14 + 40 + 1024
    path.write_bytes(b"BM" + struct.pack("<IHHI", start + len(runs), 0, 0, start) + header + bytes(1024) + runs)


def text(path: Path) -> None:
    path.write_bytes(b"P2 5700 5700 255\n" + b"1 " * (5700 * 5700))  # just below 64 MiB


FILES: dict[str, Callable[[Path], None]] = {
    "JPEG": lambda path: saved(path, noise((*SQUARE, 3)), "JPEG", quality=95, subsampling=0),
    "JPEG, progressive, 16 scans": progressive_of_many_scans,
    "JPEG, CMYK, turned": turned_cmyk,
    "PNG, RGBA": lambda path: saved(path, noise((*SQUARE, 4)), "PNG", compress_level=1),
    "PNG, 16 bits, RGBA": lambda path: png(path, SIDE, SIDE, bits=16, kind=6),
    "PNG, interlaced": lambda path: png(path, SIDE, SIDE, bits=8, kind=6, interlaced=True),
    "PNG, 262,144 rows": lambda path: png(path, 341, 2**18, bits=8, kind=6),
    "TIFF, RGB, LZW": lambda path: saved(path, noise((*SQUARE, 3)), "TIFF", compression="tiff_lzw"),
    "TIFF, floating point": lambda path: saved(path, noise(SQUARE) / np.float32(255), "TIFF"),
    "WebP, lossless": lambda path: saved(path, noise((5400, 16383, 3)) // 16, "WEBP", lossless=True, quality=0),
    "GIF": lambda path: saved(path, noise(SQUARE), "GIF"),
    "BMP, run-length encoded": run_length_encoded,
    "PPM, 16 bits": lambda path: path.write_bytes(b"P6 %d %d 4095\n" % SQUARE + bytes(SIDE * SIDE * 6)),
    "PGM, as text": text,
}


def read(path: str) -> None:
    """Print the CPU seconds and the peak memory, in megabytes, of reading a file; without one, of nothing."""
    from cnnexp.images import ImageSpec, read_image

    spec = ImageSpec(64, 64, color="rgb", resize="stretch", kernel="bilinear", antialias=True, background=0)
    start = time.process_time()
    if path:
        read_image(path, spec)
    used = time.process_time() - start
    print(json.dumps([used, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000]))


def measured(path: str) -> tuple[float, float]:
    done = subprocess.run([sys.executable, __file__, "--read", path], check=True, capture_output=True, text=True)
    seconds, megabytes = json.loads(done.stdout)
    return seconds, megabytes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--read", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read is not None:
        read(options.read)
        return
    print(f"nothing: {measured('')[1]:.0f} MB")
    with tempfile.TemporaryDirectory() as folder:
        for name, make in FILES.items():
            path = Path(folder, "file")
            if (child := os.fork()) == 0:  # what it takes to make a file is given back
                make(path)
                os._exit(0)
            os.waitpid(child, 0)
            seconds, megabytes = measured(str(path))
            print(f"{name}: {path.stat().st_size / 1e6:.1f} MB, {seconds:.1f} CPU s, {megabytes:,.0f} MB", flush=True)


if __name__ == "__main__":
    main()
