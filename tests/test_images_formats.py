"""Formats as people have them: bands, depths and metadata that Pillow cannot read or drops, and formats not read."""

import io
import os
import re
import zlib

import numpy as np
import pytest
from PIL import Image

from cnnexp.config import FolderDataConfig
from cnnexp.datasets import inspect_dataset, read_images
from cnnexp.errors import DataError
from cnnexp.images import ENDINGS, NAME_OF_ENDING, UnreadableImageError, read_image, upright_size
from support.image_files import BACKGROUND, STORED, chunk, spec
from support.image_folders import data_settings, write_classes
from support.image_formats import SIGNATURE, png, tiff

RANDOM = np.random.default_rng(0)
GREY = RANDOM.integers(0, 256, (4, 6), np.uint8)
RGB = RANDOM.integers(0, 256, (4, 6, 3), np.uint8)
SMALL = spec(4, 6)


def saved(pixels, format_, **options):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, format_, **options)
    return file.getvalue()


def text(kind, length):
    return {
        "tEXt": chunk(b"tEXt", b"parameters\0" + b"x" * length),
        "zTXt": chunk(b"zTXt", b"parameters\0\0" + zlib.compress(b"x" * length)),
        "iTXt": chunk(b"iTXt", b"parameters\0\1\0\0\0" + zlib.compress(b"x" * length)),
        "iTXt, XMP": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"x" * length)),
        "zTXt, Exif": chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"x" * length)),
        "iCCP": chunk(b"iCCP", b"profile\0\0" + zlib.compress(os.urandom(100) + bytes(length))),
        "eXIf": chunk(b"eXIf", b"II*\0\x08\0\0\0\0\0" + bytes(length)),
        "private": chunk(b"prVt", bytes(length)),
        "wrong checksum": chunk(b"tEXt", b"a\0" + bytes(length))[:-4] + b"\0\0\0\0",
    }[kind]


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize(
    "kind", ["tEXt", "zTXt", "iTXt", "iTXt, XMP", "zTXt, Exif", "iCCP", "eXIf", "private", "wrong checksum"]
)
def test_what_a_png_says_beside_its_pixels_does_not_matter(kind, place):
    content = png(RGB, kind=2, **{place: text(kind, 2_000_000)})
    np.testing.assert_array_equal(read_image(content, SMALL), RGB)
    assert upright_size(content) == (4, 6)


def test_many_long_texts_of_a_png_do_not_matter():
    content = png(RGB, kind=2, before=text("zTXt", 900_000) * 100)  # 90 MB
    np.testing.assert_array_equal(read_image(content, SMALL), RGB)


@pytest.mark.parametrize("orientation", [3, 6])
@pytest.mark.parametrize("kind", ["exif", "text", "xmp"])
def test_a_png_that_is_turned_is_still_read_upright_beside_a_long_text(kind, orientation):
    exif = b"II*\0\x08\0\0\0\1\0\x12\1\3\0\1\0\0\0" + bytes((orientation, 0, 0, 0, 0, 0, 0, 0))
    told = {
        "exif": chunk(b"eXIf", exif),
        "text": chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(b"\nexif\n26\n" + exif.hex().encode())),
        "xmp": chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + b'<x tiff:Orientation="%d"/>' % orientation),
    }[kind]
    stored = np.ascontiguousarray(STORED[orientation](RGB))
    content = png(stored, kind=2, before=text("zTXt", 2_000_000) + told)
    np.testing.assert_array_equal(read_image(content, SMALL), RGB)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("samples", "options", "expected"),
    [
        (GREY, {}, GREY[..., None]),
        (255 - GREY, {"photometric": 0}, GREY[..., None]),
        (RGB, {"photometric": 2}, RGB),
        (RGB.astype(np.uint16) * 257, {"photometric": 2}, RGB),
        (np.dstack([GREY, np.zeros_like(GREY)]), {"extra": (2,)}, np.full((4, 6, 1), BACKGROUND)),
        (np.dstack([RGB, np.zeros_like(GREY)]), {"photometric": 2, "extra": (2,)}, np.full((4, 6, 1), BACKGROUND)),
        (np.dstack([RGB, np.full_like(GREY, 255)]), {"photometric": 2}, RGB),
    ],
)
def test_a_tiff_of_ordinary_bands_is_read(samples, options, expected, order):
    read = read_image(tiff(samples, order=order, **options), SMALL)
    np.testing.assert_array_equal(read, np.broadcast_to(expected, RGB.shape))


def bands(count, dtype=np.uint8):
    return np.zeros((4, 6, count), dtype)


DEEP_TIFF = np.arange(24, dtype=np.uint16).reshape(4, 6) * 2700

BANDS_OR_TYPE = {
    "2 bands": (tiff(bands(2)), "2 bands of 8-bit unsigned"),
    "2 bands, the second undeclared": (tiff(bands(2), extra=(0,)), "2 bands of 8-bit unsigned"),
    "3 bands of grey": (tiff(bands(3)), "3 bands of 8-bit unsigned"),
    "4 bands of grey": (tiff(bands(4), extra=(0, 0, 0)), "4 bands of 8-bit unsigned"),
    "RGB and a band": (tiff(bands(4), photometric=2, extra=(0,)), "4 bands of 8-bit unsigned"),
    "RGB, transparency and a band": (tiff(bands(5), photometric=2, extra=(2, 0)), "5 bands of 8-bit unsigned"),
    "RGB and 3 bands": (tiff(bands(6), photometric=2, extra=(0, 0, 0)), "6 bands of 8-bit unsigned"),
    "5 bands": (tiff(bands(5), extra=(0,) * 4), "5 bands of 8-bit unsigned"),
    "13 bands": (tiff(bands(13, np.uint16), extra=(0,) * 12), "13 bands of 16-bit unsigned"),
    "200 bands": (tiff(bands(200, np.uint16)), "200 bands of 16-bit unsigned"),
    "2 bands of floats": (tiff(bands(2, np.float32)), "2 bands of 32-bit floating-point"),
    "RGB floats": (tiff(bands(3, np.float32), photometric=2), "3 bands of 32-bit floating-point"),
    "RGB of signed numbers": (tiff(bands(3, np.int16), photometric=2), "3 bands of 16-bit signed"),
    "float64": (tiff(np.zeros((4, 6))), "1 band of 64-bit floating-point"),
    "float16": (tiff(np.zeros((4, 6), np.float16)), "1 band of 16-bit floating-point"),
    "int64": (tiff(np.zeros((4, 6), np.int64)), "1 band of 64-bit signed"),
    "complex": (tiff(np.zeros((4, 6)), kind=6), "1 band of 64-bit complex"),
    "unknown numbers": (tiff(GREY, kind=77), "different kinds|damaged"),
    "mixed depths": (tiff(bands(3), photometric=2, tags=[(258, 3, (8, 8, 16))]), "different kinds"),
    "int16": (tiff(np.array([[-1024, 3071]], np.int16)), r"int16 from -1024 to 3071.*value_range=\[-1024,3071\]"),
    "int8": (tiff(np.array([[-5, 7]], np.int8)), r"int8 from -5 to 7.*value_range=\[-5,7\]"),
    "int32": (tiff(np.array([[-70000, 7]], np.int32)), r"int32 from -70000 to 7.*value_range=\[-70000,7\]"),
    "uint32": (tiff(np.array([[0, 2**32 - 1]], np.uint32)), "uint32 from 0 to 4294967295"),
    "float32": (tiff(np.array([[0.5, 200]], np.float32)), r"0.5\.\.200.*value_range=\[0.5,200\]"),
    "no numbers": (tiff(np.array([[0.5, np.nan]], np.float32)), r"nan.*value_range=\[LOW,HIGH\]"),
    "16-bit planes": (tiff(bands(3, np.uint16), photometric=2, tags=[(284, 3, (2,))]), "one after the other.*tiffcp"),
    "16 bits, 0 is white, from a large end": (
        tiff(DEEP_TIFF, photometric=0, order=">"),
        "16-bit unsigned.*magick in.tif",
    ),
    "32 bits from a large end": (tiff(np.zeros((4, 6), np.uint32), order=">"), "32-bit unsigned.*magick in.tif"),
    "12 bits, 0 is white": (tiff(np.zeros((4, 9), np.uint8), photometric=0, bits=12), "12-bit unsigned.*magick in.tif"),
    "floats, 0 is white": (tiff(np.zeros((4, 6), np.float32), photometric=0), "floating-point.* of which 0 is white"),
    "signed, 0 is white": (tiff(np.zeros((4, 6), np.int16), photometric=0), "signed.* of which 0 is white"),
    "no size": (tiff(GREY).replace(b"\0\1\4\0", b"\0\2\4\0", 1), "no tag 256"),
    "a preview": (tiff(RGB, photometric=2, tags=[(254, 4, (1,))]), "preview.*camera raw"),
    "a mask": (tiff(GREY, photometric=4), "1 band of 8-bit"),
}


@pytest.mark.parametrize("samples", [DEEP_TIFF, (DEEP_TIFF >> 8).astype(np.uint8)], ids=["16 bits", "8 bits"])
@pytest.mark.parametrize("value_range", [None, (0, 40_000)])
def test_a_tiff_in_which_0_is_white_is_inverted(samples, value_range):
    wanted = spec(4, 6, color="grey", value_range=value_range)
    plain = read_image(tiff(np.iinfo(samples.dtype).max - samples), wanted)
    np.testing.assert_array_equal(read_image(tiff(samples, photometric=0), wanted), plain)
    assert len(np.unique(plain)) > 10


@pytest.mark.parametrize("name", BANDS_OR_TYPE)
def test_a_tiff_that_is_not_read_is_described(name, capfd):
    content, reason = BANDS_OR_TYPE[name]
    with pytest.raises(UnreadableImageError, match=reason) as raised:
        read_image(content, SMALL)
    assert "\n" not in str(raised.value)
    assert "uint8" not in str(raised.value).replace("numbers", "")  # advice for arrays
    assert capfd.readouterr() == ("", "")  # Pillow's logger is heard where no other handler is


def test_the_first_image_of_an_animated_png_is_the_one_outside_of_the_animation():
    other = [Image.fromarray(255 - RGB)]
    for first in (True, False):
        content = saved(RGB, "PNG", save_all=True, append_images=other, default_image=first)
        np.testing.assert_array_equal(read_image(content, SMALL), RGB)


@pytest.mark.parametrize("options", [{"photometric": 2, "extra": (1,)}, {"photometric": 5}])
def test_a_range_that_cannot_be_followed_is_refused(options):
    content = tiff(np.full((4, 6, 4), 4095, np.uint16), **options)
    assert read_image(content, SMALL).shape == (4, 6, 3)
    with pytest.raises(UnreadableImageError, match=r"4 bands of 16-bit.*value range cannot be set"):
        read_image(content, spec(4, 6, value_range=(0.0, 4095.0)))


def netpbm(kind, levels, *, largest=None, comment=b""):
    height, width = levels.shape[:2]
    head = b"P%d\n%s%d %d\n" % (kind, comment, width, height)
    head += b"" if largest is None else b"%d\n" % largest
    if kind == 4:
        return head + np.packbits(levels, axis=1).tobytes()
    if kind < 4:
        return head + b"\n".join(b" ".join(b"%d" % level for level in row.ravel()) for row in levels)
    return head + levels.astype(np.uint8 if largest < 256 else ">u2").tobytes()


BITS = GREY > 100
DEEP = RANDOM.integers(0, 4096, (4, 6))
NETPBM = {
    "P1": (netpbm(1, BITS), ~BITS[..., None] * 255),
    "P1 without spaces": (b"P1 6 4 " + b"".join(b"%d" % bit for bit in BITS.ravel()), ~BITS[..., None] * 255),
    "P2": (netpbm(2, GREY, largest=255), GREY[..., None]),
    "P3": (netpbm(3, RGB, largest=255), RGB),
    "P4": (netpbm(4, BITS), ~BITS[..., None] * 255),
    "P5": (netpbm(5, GREY, largest=255), GREY[..., None]),
    "P5, 12 bits": (netpbm(5, DEEP, largest=4095), np.rint(DEEP / 4095 * 255)[..., None]),
    "P5, 16 bits": (netpbm(5, DEEP * 16, largest=65535), DEEP[..., None] // 16),
    "P5, 0..100": (netpbm(5, GREY % 101, largest=100), np.rint(GREY % 101 / 100 * 255)[..., None]),
    "P2, 12 bits": (netpbm(2, DEEP, largest=4095), np.rint(DEEP / 4095 * 255)[..., None]),
    "P6": (netpbm(6, RGB, largest=255), RGB),
    "P6, 10 bits": (netpbm(6, RGB.astype(int) * 4, largest=1023), np.rint(RGB.astype(int) * 4 / 1023 * 255)),
    "with comments": (netpbm(6, RGB, largest=255, comment=b"# by a camera\n#\n"), RGB),
}


@pytest.mark.parametrize("name", NETPBM)
def test_netpbm_files_are_read(name):
    content, expected = NETPBM[name]
    np.testing.assert_array_equal(read_image(content, SMALL), np.broadcast_to(expected, RGB.shape))
    assert upright_size(content) == (4, 6)


@pytest.mark.parametrize("content", [
    b"P5\n", b"P5 4", b"P5 0 4 255\n", b"P5 4 4 70000\n" + bytes(99), b"P5 4 4 255\n" + bytes(15), b"P2 2 2 9\n1 2 3 x",
    b"P2 2 2 9\n1 2 3 10", b"P2 2 2 9\n1 2 3 -1", b"P1 2 2\n1 0 2 0", b"P6 9999999 9999999 255\n",
    b"P5 #", b"P3 1 1 300\n9 9",
])  # fmt: skip
def test_a_damaged_netpbm_file_is_refused(content):
    with pytest.raises(UnreadableImageError, match=r"damaged or truncated|pixels are more"):
        read_image(content, SMALL)


NAMED = {
    "HEIF": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    "AVIF": saved(RGB, "AVIF"),
    "JPEG 2000": saved(RGB, "JPEG2000"),
    "JPEG XL": b"\xff\x0a\xfa\x1f",
    "SVG": b'<?xml version="1.0"?>\n<!-- drawn -->\n<svg xmlns="http://www.w3.org/2000/svg"/>',
    "DICOM": bytes(128) + b"DICM\2\0\0\0",
    "camera raw (CR2)": b"II*\0\x10\0\0\0CR\2\0" + bytes(99),
    "camera raw": b"\0\0\0\x18ftypcrx \0\0\0\1crx isom",
    "Photoshop": b"8BPS\0\1",
    "PNG of an iPhone app (CgBI)": SIGNATURE + chunk(b"CgBI", b"\x50\0\x20\x02") + saved(RGB, "PNG")[8:],
    "PNG copied as text": saved(RGB, "PNG").replace(b"\r\n", b"\n"),
    "JSON or XML": b'{"error": "not found"}',
    "description of a file by macOS (AppleDouble)": b"\0\x05\x16\x07\0\2\0\0Mac OS X        ",
    "Windows metafile": b"\1\0\0\0" + bytes(36) + b" EMF",
    "icon": b"\0\0\1\0\1\0",
    "HTML page": b"\n<HTML><body>Not found",
    "Git LFS pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 9\n",
    "NumPy array": b"\x93NUMPY\1\0",
    "FITS": b"SIMPLE  =                    T",
    "zip archive": b"PK\x03\x04\x14\0",
    "video": b"\0\0\0\x20ftypisom\0\0\2\0",
}


@pytest.mark.parametrize("name", NAMED)
def test_another_format_is_named_whatever_its_file_is_called(name, tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(NAMED[name])
    for source in (path, NAMED[name]):
        with pytest.raises(UnreadableImageError, match=re.escape(f"format is {name}, ")) as raised:
            read_image(source, SMALL)
        assert str(raised.value).count(". ") == 1  # what it is, and what to do


@pytest.mark.parametrize("content", [
    b"[[1, 2]]", b"\xef\xbb\xbf<?xml version='1.0'?><Error>AccessDenied</Error>", b'[{"a": 1}]', b"{}",
])  # fmt: skip
def test_an_answer_of_a_server_is_named(content):
    with pytest.raises(UnreadableImageError, match=r"JSON or XML.*download"):
        read_image(content, SMALL)


def test_a_tga_file_is_no_icon():
    tga = bytes([0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 6, 0, 4, 0, 24, 0]) + bytes(72)
    with pytest.raises(UnreadableImageError, match="it is no JPEG"):
        read_image(tga, SMALL)


def test_zeros_are_said_to_be_zeros():
    with pytest.raises(UnreadableImageError, match="zeros only"):
        read_image(bytes(5000), SMALL)


def test_no_ending_is_both_read_and_named():
    assert not ENDINGS & NAME_OF_ENDING.keys()


@pytest.mark.parametrize(("ending", "name"), [
    (".heic", "HEIF"), (".HEIC", "HEIF"), (".avif", "AVIF"), (".jp2", "JPEG 2000"), (".jxl", "JPEG XL"),
    (".svg", "SVG"),
    (".dcm", "DICOM"), (".nef", "camera raw"), (".CR2", "camera raw"), (".psd", "Photoshop"), (".tga", "TGA"),
])  # fmt: skip
def test_a_folder_of_another_format_names_and_counts_it(tmp_path, ending, name):
    settings = data_settings(FolderDataConfig, path=tmp_path / "data", cache=tmp_path / "cache")
    for folder in ("cat", "dog"):
        (tmp_path / "data" / folder).mkdir(parents=True)
        for number in range(3):
            (tmp_path / "data" / folder / f"{number}{ending}").write_bytes(b"x")
    with pytest.raises(DataError, match=rf"6 with {ending.lower()} \({name}.*magick photo"):
        read_images(settings, on_progress=lambda *_: None)
    write_classes(tmp_path / "data", {"cat": 2, "dog": 1})
    note = " ".join(read_images(settings, on_progress=lambda *_: None)[0].notes)
    assert f"6 with {ending.lower()} ({name}" in note


def test_a_class_of_another_format_is_said_to_be_that(tmp_path):
    settings = data_settings(FolderDataConfig, path=tmp_path / "data", cache=tmp_path / "cache")
    write_classes(tmp_path / "data", {"cat": 2, "dog": 2, "cow": 0})
    (tmp_path / "data" / "cow").mkdir()
    (tmp_path / "data" / "cow" / "1.jxl").write_bytes(b"x")
    with pytest.raises(DataError, match=r"none in cow \(.jxl\)"):
        inspect_dataset(settings, seed=0, on_progress=lambda *_: None, strict=True)


def test_a_palette_that_is_missing_is_an_error_of_the_file():
    content = png(GREY % 4, kind=3)
    with pytest.raises(UnreadableImageError, match=r"mode P|damaged"):
        read_image(content, SMALL)
