"""Files that are slow, large or loud on purpose, and files damaged at random: one line each, soon, and nothing else."""

import io
import os
import struct
import subprocess
import sys
import threading
import time
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from cnnexp.images import PIXEL_LIMIT, UnreadableImageError, read_image, upright_size
from support.image_files import chunk, spec
from support.image_formats import SIGNATURE, bmp_rle, png, segment, tiff

SECONDS = 3.0  # on a busy machine; each took 5 s to minutes before there was a limit
SMALL = spec(4, 6)
RANDOM = np.random.default_rng(0)
RGB = RANDOM.integers(0, 256, (20, 30, 3), np.uint8)


def saved(pixels, format_, *, mode=None, **options):
    file = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(file, format_, **options)
    return file.getvalue()


def outcome(content):
    """The pixels or the reason, within the time."""
    started = time.monotonic()
    try:
        return read_image(content, SMALL)
    except UnreadableImageError as error:
        return str(error)
    finally:
        assert time.monotonic() - started < SECONDS


def jpeg_with(segments, pixels=RGB):
    content = saved(pixels, "JPEG", exif=b"")
    return content[:2] + segments + content[2:]


def scans(count, side):
    """A progressive JPEG with as many further scans, each of no bits: end-of-band runs of all blocks."""
    content = saved(np.zeros((side, side), np.uint8), "JPEG", progressive=True)
    table = segment(0xC4, b"\x11" + b"\1" + bytes(15) + b"\xe0")  # one code, of a run of 16,384 blocks
    scan = segment(0xDA, b"\1\1\x11\1\x3f\0") + bytes(-(-((side // 8) ** 2) // 2**14) * 2 + 1)
    return content[:-2] + table + scan * count + b"\xff\xd9"


def png_of_size(width, height):
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return SIGNATURE + header + chunk(b"IDAT", zlib.compress(b"\0")) + chunk(b"IEND", b"")


def gif_with(comments):
    content = saved(RGB[..., 0], "GIF")
    at = content.index(b",", 13 + 3 * 256)
    return content[:at] + comments + content[at:]


EXIF = segment(0xE1, b"Exif\0\0" + bytes(65_000))
SLOW = {
    "2,000 Exif segments": (lambda: jpeg_with(EXIF * 2000), None),
    "1,000 other segments": (lambda: jpeg_with(segment(0xED, b"Photoshop 3.0\0" + bytes(65_000)) * 1000), None),
    "20,000 segments": (lambda: jpeg_with(segment(0xFE, b"") * 20_000), "more than 10,000 segments"),
    "a million fill bytes": (lambda: jpeg_with(b"\xff" * 1_000_000), "more than 10,000 segments"),
    "20,000 scans": (lambda: scans(20_000, 16), "20,[0-9]+ scans"),
    "500 scans of 16 million pixels": (lambda: scans(500, 4096), "scans of 16,777,216 pixels"),
    "one column": (lambda: png_of_size(1, 89_000_000), "side of more than"),
    "one row": (lambda: png_of_size(89_000_000, 1), "side of more than"),
    "3,000 profiles": (
        lambda: png(RGB, kind=2, before=chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(1_000_000))) * 3000), None,
    ),
    "300,000 texts": (lambda: png(RGB, kind=2, before=chunk(b"tEXt", b"a\0b") * 300_000), None),
    "600,000 chunks": (lambda: png(RGB, kind=2, after=chunk(b"tEXt", b"") * 600_000), "more than 500,000 chunks"),
    "Exif whose tags claim everything": (
        lambda: png(RGB, kind=2, before=chunk(b"eXIf", b"II*\0\x08\0\0\0\xff\xff" + b"".join(
            struct.pack("<HHII", tag, 7, 3_000_000, 8) for tag in range(300, 65_535)) + bytes(3_000_000))), None,
    ),
    "tags that claim everything": (
        lambda: tiff(RGB, photometric=2, tags=[(tag, 7, (1800, 8)) for tag in range(400, 3000)]), "tags claim",
    ),
    "a TIFF of 5,000 tags": (
        lambda: tiff(RGB, photometric=2, tags=[(tag, 3, (1,)) for tag in range(400, 5400)]), "tags; at most",
    ),
    "two million strips": (lambda: tiff(RGB, photometric=2, tags=[(273, 4, (8,) * 2_000_000)]), "strips or tiles"),
    "run-length encoded": (lambda: bmp_rle(b"\1\0" * 5_000_000, 3000, 3000), "run-length encoded"),
    "a small run-length encoded image": (lambda: bmp_rle((b"\x1e\0" + b"\0\0") * 20 + b"\0\1", 30, 20), None),
    "a GIF of 100,000 comments": (lambda: gif_with((b"!\xfe\xff" + b"a" * 255 + b"\0") * 100_000), None),
    "PPM with another largest level": (lambda: b"P6 3000 3000 100\n" + bytes(27_000_000), None),
    "PPM with 16 bits": (lambda: b"P6 2000 2000 4000\n" + bytes(24_000_000), None),
    "PGM of a comment": (lambda: b"P5 #" + b"#" * 10_000_000, "damaged"),
    "PGM as text": (lambda: b"P2 1000 1000 255\n" + b"1 " * 1_000_000, None),
    "PGM as a long text": (lambda: b"P2 1000 1000 255\n" + b" " * 70_000_000, "bytes of text"),
    "PNG of 2,500 megapixels": (lambda: png_of_size(50_000, 50_000), f"more than the {PIXEL_LIMIT:,} "),
    "WebP of 17 million megapixels": (
        lambda: b"RIFF\x2e\0\0\0WEBPVP8X\x0a\0\0\0\x10\0\0\0" + b"\xff\xff\x3f" * 2 + b"VP8L\x08\0\0\0" + bytes(12),
        "pixels",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SLOW)
def test_a_file_that_is_slow_on_purpose_is_read_soon_or_refused(name):
    make, reason = SLOW[name]
    content = make()
    found = outcome(content)
    if reason is None:
        assert isinstance(found, np.ndarray), found
    else:
        with pytest.raises(UnreadableImageError, match=reason):
            read_image(content, SMALL)


def test_the_pixels_behind_what_was_passed_over_are_the_same():
    for name in ("2,000 Exif segments", "1,000 other segments"):
        np.testing.assert_array_equal(outcome(SLOW[name][0]()), outcome(jpeg_with(b"")))
    np.testing.assert_array_equal(outcome(SLOW["3,000 profiles"][0]()), outcome(png(RGB, kind=2)))


def test_an_ordinary_progressive_file_is_no_bomb():
    photo = np.asarray(Image.fromarray(RANDOM.integers(0, 256, (9, 9, 3), np.uint8)).resize((2000, 2000)))
    assert isinstance(outcome(saved(photo, "JPEG", progressive=True)), np.ndarray)
    assert isinstance(outcome(scans(200, 16)), np.ndarray)


def test_a_larger_limit_is_the_spec_s(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)  # Pillow's own, which warns and refuses
    for content in (saved(RGB, "PNG"), saved(RGB, "JPEG"), saved(RGB, "GIF"), saved(RGB, "BMP"), saved(RGB, "TIFF")):
        assert read_image(content, spec(4, 6, max_pixels=600)).shape == (4, 6, 3)
        with pytest.raises(UnreadableImageError, match="30 × 20 pixels are more than the 599 that are read"):
            read_image(content, spec(4, 6, max_pixels=599))
        with pytest.raises(UnreadableImageError, match="30 × 20 pixels"):
            upright_size(content, max_pixels=599)


def test_a_pipe_or_a_device_is_no_file(tmp_path):
    pipe = tmp_path / "photo.png"
    os.mkfifo(pipe)
    for path in (pipe, "/dev/zero", "/dev/stdin"):
        for read in (lambda path: read_image(path, SMALL), upright_size):
            with pytest.raises(UnreadableImageError, match=r"it is a pipe or device|the file is empty"):
                read(path)


LOUD = {
    "above Pillow's limit": saved(np.zeros((9500, 9500), np.uint8), "PNG"),
    "damaged Exif": jpeg_with(segment(0xE1, b"Exif\0\0II*\0\x08\0\0\0\x05\0" + b"\x12\1\3\0\xff\xff\xff\xff" * 4)),
    "palette with transparency": saved(RGB[..., 0], "PNG", mode="P", transparency=b"\0\1\2"),
    "a TIFF that ends early": tiff(RGB, photometric=2)[:-9],
    "too many bands": tiff(np.zeros((4, 6, 30), np.uint8)),
    "a GIF that ends early": saved(RGB[..., 0], "GIF")[:-20],
    "no text of numbers": b"P2 4 4 9\n1 2 3 x",
    "no numbers": tiff(np.array([[0.5, np.nan]], np.float32)),
}


@pytest.mark.parametrize("name", LOUD)
@pytest.mark.parametrize("filters", ["error", "always"])
def test_no_warning_leaves_the_reader_or_changes_what_it_reads(name, filters, capfd):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter(filters)
        found = outcome(LOUD[name])
    assert caught == []
    assert capfd.readouterr() == ("", "")
    assert not isinstance(found, str) or not found.endswith("Warning).")


def test_warnings_are_as_before_when_threads_have_read():
    before = list(warnings.filters)

    def read_many():
        for content in list(LOUD.values())[1:] * 20:
            outcome(content)

    threads = [threading.Thread(target=read_many) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert warnings.filters == before


def test_arrays_without_height_are_refused_without_a_warning():
    with pytest.raises(UnreadableImageError, match="not empty"):
        upright_size(np.zeros((0, 8), np.uint8))


def photograph():
    coarse = Image.fromarray(np.random.default_rng(1).integers(0, 256, (5, 7, 3), np.uint8))
    return np.asarray(coarse.resize((33, 27), Image.Resampling.BICUBIC))


PHOTO = photograph()
DEEP = PHOTO[..., 0].astype(np.uint16) * 257
ORIGINALS = {
    "jpeg": saved(PHOTO, "JPEG"),
    "jpeg, progressive, turned": saved(PHOTO, "JPEG", progressive=True, exif=b"Exif\0\0" + saved(PHOTO, "TIFF")[:200]),
    "jpeg, CMYK": saved(PHOTO, "JPEG", mode="CMYK"),
    "png": saved(PHOTO, "PNG"),
    "png, palette": saved(PHOTO[..., 0] // 64, "PNG", transparency=0),
    "png, 16 bits": png(PHOTO.astype(np.uint16) * 257, bits=16, kind=2, before=chunk(b"eXIf", b"II*\0\x08\0\0\0\0\0")),
    "gif": saved(PHOTO[..., 0], "GIF"),
    "bmp": saved(PHOTO, "BMP"),
    "bmp, run-length encoded": bmp_rle((b"\x1e\1" + b"\0\0") * 20 + b"\0\1", 30, 20),
    "tiff": tiff(PHOTO, photometric=2),
    "tiff, 16 bits": tiff(DEEP, order=">"),
    "tiff, floats": tiff(PHOTO[..., 0] / np.float32(255)),
    "tiff, LZW": saved(PHOTO, "TIFF", compression="tiff_lzw"),
    "tiff, JPEG": saved(PHOTO, "TIFF", compression="jpeg"),
    "tiff, deflate": saved(DEEP, "TIFF", compression="tiff_adobe_deflate"),
    "webp": saved(PHOTO, "WEBP"),
    "webp, lossless": saved(PHOTO, "WEBP", lossless=True),
    "ppm": b"P6 33 27 255\n" + PHOTO.tobytes(),
    "pgm, as text": b"P2 #\n 33 27 255\n" + b" ".join(b"%d" % level for level in PHOTO[..., 0].ravel()),
    "pgm, 12 bits": b"P5 33 27 4095\n" + (DEEP >> 4).astype(">u2").tobytes(),
}


def damaged(content, data):
    """Change, cut, repeat or insert a few bytes anywhere, most often in the header."""
    content = bytearray(content)
    for _ in range(data.draw(st.integers(1, 4), label="changes")):
        end = max(1, min(len(content), data.draw(st.sampled_from([64, 300, len(content)]))))
        at = data.draw(st.integers(0, end - 1), label="at")
        change = data.draw(st.sampled_from(["byte", "cut", "insert", "repeat", "number"]), label="change")
        if change == "byte":
            content[at : at + 1] = bytes([data.draw(st.integers(0, 255))])
        elif change == "cut":
            del content[at : at + data.draw(st.integers(1, 40))]
        elif change == "insert":
            content[at:at] = data.draw(st.binary(max_size=12))
        elif change == "repeat":
            content[at:at] = content[at : at + data.draw(st.integers(1, 40))] * data.draw(st.integers(1, 50))
        else:
            content[at : at + 4] = struct.pack(
                data.draw(st.sampled_from("<>")) + "I",
                data.draw(st.sampled_from([0, 1, 65535, 2**24, 2**31, 2**32 - 1])),
            )
    return bytes(content)


@pytest.mark.filterwarnings("error")
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_damaged_file_is_read_or_refused_in_one_line_soon(data):
    content = damaged(ORIGINALS[data.draw(st.sampled_from(sorted(ORIGINALS)), label="file")], data)
    value_range = data.draw(st.sampled_from([None, (0.0, 4095.0), (-1.0, 1.0)]), label="value_range")
    wanted = spec(4, 6, value_range=value_range, max_pixels=2_000_000)
    started = time.monotonic()
    try:
        found = read_image(content, wanted)
    except UnreadableImageError as error:
        message = str(error)
        assert message.strip()
        assert "\n" not in message
        assert "Warning" not in message
    else:
        assert found.shape == (4, 6, 3)
        assert found.dtype == np.uint8
    assert time.monotonic() - started < SECONDS


def test_nothing_is_printed_about_damaged_files(tmp_path):
    """Also by the C libraries, which write past Python to the file descriptor."""
    random = np.random.RandomState(3)
    for number in range(300):
        content = bytearray(list(ORIGINALS.values())[number % len(ORIGINALS)])
        for _ in range(12):
            content[random.randint(8, len(content))] = random.randint(256)
        (tmp_path / f"{number}").write_bytes(content)
    code = (
        "import pathlib, sys\n"
        "from cnnexp.images import ImageSpec, UnreadableImageError, read_image\n"
        "spec = ImageSpec(4, 6, color='rgb', resize='stretch', kernel='bilinear', antialias=True, background=0)\n"
        "for path in pathlib.Path(sys.argv[1]).iterdir():\n"
        "    try:\n        read_image(path, spec)\n    except UnreadableImageError:\n        pass\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
