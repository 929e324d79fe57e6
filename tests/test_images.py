"""The reader: every kind of file, made here and compared with known pixels, and everything that is no image."""

import io
import os
import struct
import warnings
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from cnnexp.images import (
    PIXEL_LIMIT,
    REDUCING_GAP,
    ImageSpec,
    UnreadableImageError,
    decode,
    decode_whole,
    read_image,
    upright,
    upright_size,
)
from support.image_files import BACKGROUND, HEIGHT, STORED, WIDTH, bomb, chunk, spec


def picture():
    """Four flat quarters of different colours, on the block borders of JPEG."""
    pixels = np.empty((HEIGHT, WIDTH, 3), np.uint8)
    pixels[:8, :16], pixels[:8, 16:] = (250, 10, 20), (20, 200, 30)
    pixels[8:, :16], pixels[8:, 16:] = (10, 30, 220), (240, 240, 240)
    return pixels


def luma(pixels):
    """ITU-R 601-2, by its definition."""
    return np.rint(pixels @ np.array([0.299, 0.587, 0.114]))[..., None]


RGB = picture()
GREY = luma(RGB).astype(np.uint8)
ALPHA = np.broadcast_to(np.linspace(0, 255, WIDTH).astype(np.uint8), (HEIGHT, WIDTH))
COMPOSITED = np.rint(RGB * (ALPHA[..., None] / 255) + BACKGROUND * (1 - ALPHA[..., None] / 255))
GREY_COMPOSITED = np.rint(GREY * (ALPHA[..., None] / 255) + BACKGROUND * (1 - ALPHA[..., None] / 255))
SIXTEEN = np.arange(HEIGHT * WIDTH, dtype=np.uint16).reshape(HEIGHT, WIDTH) * 128  # 0 .. 65,408


def pillow(pixels, format_, mode=None, **options):
    image = (
        pixels
        if isinstance(pixels, Image.Image)
        else Image.fromarray(pixels[..., 0] if pixels.shape[2:] == (1,) else pixels)
    )
    file = io.BytesIO()
    (image.convert(mode) if mode else image).save(file, format_, **options)
    return file.getvalue()


def png(samples, *, bits, kind, transparent=None):
    """A PNG written by hand: kind 0 grey, 2 RGB, 4 grey and alpha, 6 RGBA; one grey level may be transparent."""
    height, width = samples.shape[:2]
    rows = samples.astype(f">u{bits // 8}").reshape(height, -1)
    content = b"".join(b"\0" + row.tobytes() for row in rows)
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    clear = b"" if transparent is None else chunk(b"tRNS", struct.pack(">H", transparent))
    content = clear + chunk(b"IDAT", zlib.compress(content))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + content + chunk(b"IEND", b"")


def animated(format_, **options):
    other = Image.fromarray(255 - RGB)
    return pillow(RGB, format_, save_all=True, append_images=[other, other], duration=50, **options)


def palette_with_transparency():
    """Its red quarter is transparent."""
    image = Image.fromarray(RGB).quantize(4, dither=Image.Dither.NONE)
    return pillow(image, "PNG", transparency=image.getpixel((0, 0)))


RED_IS_BACKGROUND = RGB.copy()
RED_IS_BACKGROUND[:8, :16] = BACKGROUND

WITH_ALPHA = np.dstack([RGB, ALPHA])
JPEG = {"quality": 95, "subsampling": 0}
# name: (file, pixels as RGB, largest difference; JPEG and compositing round)
FILES = {
    "jpeg": (pillow(RGB, "JPEG", **JPEG), RGB, 3),
    "jpeg progressive": (pillow(RGB, "JPEG", progressive=True, **JPEG), RGB, 3),
    "jpeg grey": (pillow(GREY, "JPEG", quality=95), GREY, 3),
    "jpeg cmyk": (pillow(RGB, "JPEG", mode="CMYK", **JPEG), RGB, 6),
    "png": (png(RGB, bits=8, kind=2), RGB, 0),
    "png grey": (png(GREY, bits=8, kind=0), GREY, 0),
    "png palette": (pillow(Image.fromarray(RGB).quantize(4, dither=Image.Dither.NONE), "PNG"), RGB, 0),
    "png palette, transparent": (palette_with_transparency(), RED_IS_BACKGROUND, 0),
    "png one bit": (pillow(Image.fromarray(RGB[..., 0] > 100), "PNG"), (RGB[..., :1] > 100) * 255, 0),
    "png alpha": (png(WITH_ALPHA, bits=8, kind=6), COMPOSITED, 1),
    "png grey and alpha": (png(np.dstack([GREY, ALPHA]), bits=8, kind=4), GREY_COMPOSITED, 1),
    "png 16 bit grey": (png(SIXTEEN, bits=16, kind=0), SIXTEEN[..., None] // 256, 0),
    "png 16 bit grey, one level transparent": (
        png(SIXTEEN, bits=16, kind=0, transparent=int(SIXTEEN[3, 4])),
        np.where(SIXTEEN[3, 4] == SIXTEEN, BACKGROUND, SIXTEEN // 256)[..., None],
        0,
    ),
    "png 16 bit": (png(RGB.astype(np.uint16) * 256 + 99, bits=16, kind=2), RGB, 0),
    "png 16 bit alpha": (png(WITH_ALPHA.astype(np.uint16) * 257, bits=16, kind=6), COMPOSITED, 1),
    "png 16 bit grey and alpha": (
        png(np.dstack([GREY, ALPHA]).astype(np.uint16) * 257, bits=16, kind=4),
        GREY_COMPOSITED,
        1,
    ),
    "bmp": (pillow(RGB, "BMP"), RGB, 0),
    "bmp palette": (pillow(Image.fromarray(RGB).quantize(4, dither=Image.Dither.NONE), "BMP"), RGB, 0),
    "gif": (pillow(RGB, "GIF"), RGB, 0),
    "gif animated": (animated("GIF"), RGB, 0),
    "tiff": (pillow(RGB, "TIFF"), RGB, 0),
    "tiff lzw": (pillow(RGB, "TIFF", compression="tiff_lzw"), RGB, 0),
    "tiff cmyk": (pillow(RGB, "TIFF", mode="CMYK"), RGB, 0),
    "tiff alpha": (pillow(WITH_ALPHA, "TIFF"), COMPOSITED, 1),
    "tiff 16 bit grey": (pillow(SIXTEEN, "TIFF"), SIXTEEN[..., None] // 256, 0),
    "tiff 16 bit big endian": (pillow(SIXTEEN.astype(">u2"), "TIFF"), SIXTEEN[..., None] // 256, 0),
    "tiff float": (pillow(GREY[..., 0] / np.float32(255), "TIFF"), GREY, 0),
    "webp": (pillow(RGB, "WEBP", lossless=True), RGB, 0),
    "webp alpha": (pillow(WITH_ALPHA, "WEBP", lossless=True, exact=True), COMPOSITED, 1),
    "webp animated": (animated("WEBP", lossless=True), RGB, 0),
}


@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file_gives_its_known_pixels(name, tmp_path):
    content, expected, tolerance = FILES[name]
    expected = np.broadcast_to(expected, RGB.shape).astype(float)
    read = read_image(content, spec())
    assert read.shape == (HEIGHT, WIDTH, 3)
    assert read.dtype == np.uint8
    assert np.abs(read - expected).max() <= tolerance
    grey = read_image(content, spec(color="grey"))
    assert grey.shape == (HEIGHT, WIDTH, 1)
    assert np.abs(grey - luma(expected)).max() <= tolerance + 1
    path = tmp_path / "名前 with 'quotes'.xyz"  # content decides, the name never does
    path.write_bytes(content)
    for source in (path, str(path)):
        np.testing.assert_array_equal(read_image(source, spec()), read)


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", STORED)
def test_exif_rotation_is_undone(orientation, format_):
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"JPEG": JPEG, "WEBP": {"lossless": True}}.get(format_, {})
    content = pillow(np.ascontiguousarray(STORED[orientation](RGB)), format_, exif=exif, **options)
    assert upright_size(content) == (HEIGHT, WIDTH)
    assert np.abs(read_image(content, spec()).astype(int) - RGB).max() <= (3 if format_ == "JPEG" else 0)


ARRAYS = {
    "uint8": (RGB, RGB),
    "uint8, two dimensions": (GREY[..., 0], GREY),
    "uint8, one channel": (GREY, GREY),
    "uint8, alpha": (WITH_ALPHA, COMPOSITED),
    "uint16": (RGB.astype(np.uint16) * 257, RGB),
    "uint16, two dimensions": (SIXTEEN, SIXTEEN[..., None] // 256),
    "float32": (RGB / np.float32(255), RGB),
    "float64": (RGB / 255, RGB),
    "float16": (GREY.astype(np.float16) / 255, GREY),
    "bool": (RGB[..., 0] > 100, (RGB[..., :1] > 100) * 255),
    "not contiguous": (RGB[:, ::-1][:, ::-1], RGB),
}


@pytest.mark.parametrize("name", ARRAYS)
def test_arrays_are_read_by_what_their_type_means(name):
    array, expected = ARRAYS[name]
    read = read_image(array, spec())
    assert np.abs(read - np.broadcast_to(expected, RGB.shape).astype(float)).max() <= (1 if "alpha" in name else 0)


def test_sixteen_bit_maps_its_full_range():
    values = np.array([[0, 255, 256, 12_000, 65_535]], np.uint16)
    for source in (values, png(values, bits=16, kind=0), pillow(values, "TIFF")):
        np.testing.assert_array_equal(read_image(source, spec(1, 5, color="grey"))[0, :, 0], [0, 0, 1, 46, 255])


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.full((4, 4), 1.5), "0..1; got 1.5..1.5"),
        (np.full((4, 4), -0.1), "0..1; got -0.1..-0.1"),
        (np.full((4, 4), np.nan), "0..1; got nan..nan"),
        (np.zeros((4, 4), np.int64), "got int64"),
        (np.zeros((4, 4, 2), np.uint8), r"got \(4, 4, 2\)"),
        (np.zeros((4,), np.uint8), r"got \(4,\)"),
        (np.zeros((0, 4), np.uint8), "not empty"),
    ],
)
def test_an_array_that_could_mean_anything_is_refused(array, reason):
    with pytest.raises(UnreadableImageError, match=reason):
        read_image(array, spec())


UNREADABLE = {
    "empty": (b"", "empty"),
    "text": (b"These are my holiday photos", "is no JPEG, PNG, BMP, GIF, TIFF, WEBP, PPM image"),
    "html": (b"<!DOCTYPE html><html>404</html>", "format is HTML page"),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run\n", "format is PostScript"),
    "svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "format is SVG"),
    "truncated jpeg": (FILES["jpeg"][0][:-60], "damaged or truncated"),
    "truncated progressive jpeg": (FILES["jpeg progressive"][0][:400], "damaged or truncated"),
    "truncated png": (FILES["png"][0][:60], "damaged or truncated"),
    "truncated gif": (FILES["gif"][0][:-20], "damaged or truncated"),
    "truncated webp": (FILES["webp"][0][:-20], "damaged or truncated|is no JPEG"),
    "truncated tiff": (FILES["tiff"][0][: HEIGHT * WIDTH], "damaged or truncated|is no JPEG"),
    "png of 2,500 megapixels": (bomb(50_000), f"more than the {PIXEL_LIMIT:,} "),
    "png of 100 megapixels": (bomb(10_000), f"more than the {PIXEL_LIMIT:,} "),
    "32-bit integers without a range": (pillow(SIXTEEN.astype(np.int32), "TIFF"), "got int32"),
    "float out of range": (pillow(SIXTEEN.astype(np.float32), "TIFF"), "must lie in 0..1"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_is_no_image_is_refused_with_a_reason(name, tmp_path):
    content, reason = UNREADABLE[name]
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(UnreadableImageError, match=reason):
        read_image(path, spec())
    with pytest.raises(UnreadableImageError):
        read_image(content, spec())


def test_pillows_own_limit_does_not_matter(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(UnreadableImageError, match="50000 × 50000 pixels are more"):
        read_image(bomb(50_000), spec())


def test_a_missing_file_and_a_folder_are_said_to_be_that(tmp_path):
    with pytest.raises(UnreadableImageError, match="no such file"):
        read_image(tmp_path / "nothing.png", spec())
    with pytest.raises(UnreadableImageError, match="is a directory"):
        read_image(tmp_path, spec())


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_without_permission_is_said_to_be_that(tmp_path):
    path = tmp_path / "secret.png"
    path.write_bytes(FILES["png"][0])
    path.chmod(0)
    with pytest.raises(UnreadableImageError, match="permission denied"):
        read_image(path, spec())


def test_stretch_fills_the_target():
    halves = np.repeat(np.array([[0, 255]], np.uint8), 8, axis=1).repeat(4, axis=0)  # 4 × 16
    read = read_image(halves, spec(8, 8, color="grey", kernel="nearest"))[..., 0]
    np.testing.assert_array_equal(read, np.repeat(np.array([[0, 255]], np.uint8), 4, axis=1).repeat(8, axis=0))


@pytest.mark.parametrize("antialias", [True, False])
def test_pad_keeps_the_aspect_and_fills_with_the_background(antialias):
    wide = np.full((4, 8), 50, np.uint8)
    read = read_image(wide, spec(16, 16, color="grey", resize="pad", background=7, antialias=antialias))[..., 0]
    np.testing.assert_array_equal(read, np.pad(np.full((8, 16), 50), ((4, 4), (0, 0)), constant_values=7))


@pytest.mark.parametrize("antialias", [True, False])
def test_crop_keeps_the_aspect_and_the_centre(antialias):
    stripes = np.repeat(np.array([[10, 100, 200]], np.uint8), 8, axis=1).repeat(8, axis=0)  # 8 × 24
    read = read_image(stripes, spec(4, 4, color="grey", resize="crop", kernel="nearest", antialias=antialias))
    np.testing.assert_array_equal(read, np.full((4, 4, 1), 100))


def test_antialias_averages_what_it_shrinks_and_its_absence_does_not():
    lines = np.zeros((64, 64), np.uint8)
    lines[:, ::8] = 255  # one white column in eight, never at the centre of a target pixel
    smooth = read_image(lines, spec(8, 8, color="grey"))[2:-2, 2:-2]
    assert np.abs(smooth.astype(int) - 255 / 8).max() <= 8
    assert read_image(lines, spec(8, 8, color="grey", antialias=False)).max() == 0


@pytest.mark.parametrize("kernel", ["nearest", "bilinear", "bicubic"])
def test_without_antialias_nothing_moves(kernel):
    ramp = np.broadcast_to(np.arange(64, dtype=np.uint8) * 4, (64, 64))
    read = read_image(ramp, spec(16, 16, color="grey", kernel=kernel, antialias=False))[8, 2:-2, 0]
    centres = (np.arange(16) * 4 + 1.5)[2:-2] * 4  # of the four columns under each target pixel
    assert np.abs(read - centres).max() <= (2 if kernel == "nearest" else 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"color": "bgr"},
        {"resize": "squash"},
        {"kernel": "box"},
        {"background": 256},
        {"height": 0},
        {"kernel": "lanczos", "antialias": False},
    ],
)
def test_a_specification_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValueError, match=next(iter(wrong))):
        spec(**wrong)


specs = st.builds(
    ImageSpec,
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    color=st.sampled_from(["rgb", "grey"]),
    resize=st.sampled_from(["stretch", "pad", "crop"]),
    kernel=st.sampled_from(["nearest", "bilinear", "bicubic"]),
    antialias=st.booleans(),
    background=st.integers(0, 255),
)
image_shapes = st.tuples(st.integers(1, 50), st.integers(1, 50)).flatmap(
    lambda side: st.sampled_from([side, (*side, 1), (*side, 3), (*side, 4)])
)
pixels8 = image_shapes.flatmap(lambda shape: arrays.arrays(np.uint8, shape))


@settings(max_examples=500, deadline=None)
@given(pixels8, specs)
def test_any_array_becomes_exactly_what_the_specification_says(pixels, wanted):
    read = read_image(pixels, wanted)
    assert read.shape == wanted.shape
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, read_image(pixels, wanted))


@given(pixels8, specs)
def test_a_flat_image_stays_flat(pixels, wanted):
    flat = np.full(pixels.shape[:2], 77, np.uint8)
    read = read_image(flat, wanted)
    assert np.isin(read, [77, wanted.background] if wanted.resize == "pad" else [77]).all()


@given(specs, st.randoms())
def test_an_array_of_the_wanted_shape_comes_back_unchanged(wanted, random):
    pixels = np.frombuffer(random.randbytes(int(np.prod(wanted.shape))), np.uint8).reshape(wanted.shape)
    np.testing.assert_array_equal(read_image(pixels, wanted), pixels)


@given(pixels8, specs)
def test_a_lossless_file_reads_like_its_array(pixels, wanted):
    kind = {1: 0, 3: 2, 4: 6}[pixels.shape[2] if pixels.ndim == 3 else 1]
    np.testing.assert_array_equal(read_image(png(pixels, bits=8, kind=kind), wanted), read_image(pixels, wanted))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(FILES)), st.integers(0, 10_000), st.binary(min_size=1, max_size=8))
def test_a_damaged_file_is_an_image_or_is_refused(name, place, damage):
    content = FILES[name][0]
    place %= len(content)
    with warnings.catch_warnings(action="ignore"):
        try:
            read = read_image(content[:place] + damage + content[place + len(damage) :], spec())
        except UnreadableImageError:
            return
    assert read.shape == (HEIGHT, WIDTH, 3)


@given(st.binary(max_size=200))
def test_bytes_that_mean_nothing_are_refused(content):
    with pytest.raises(UnreadableImageError):
        read_image(content, spec())


def test_crop_survives_rounding():
    row = np.arange(7, dtype=np.uint8)[None]  # 17 / (17 / 7) is a little more than 7
    assert read_image(row, spec(1, 17, resize="crop")).shape == (1, 17, 3)


def photograph(height, width):
    """Soft shapes with fine noise, as photographs have both; a function of the size alone."""
    random = np.random.default_rng(height * 1000 + width)
    shapes, noise = (
        Image.fromarray(random.integers(0, 256, (*side, 3), dtype=np.uint8)).resize((width, height))
        for side in ((5, 6), (height, width))
    )
    return np.asarray(Image.blend(shapes, noise, 0.1))


def shrinking(length, wanted, start, stop):
    """The matrix (wanted, length) of a triangle twice as wide as the step, by the definition of bilinear antialias."""
    step = (stop - start) / wanted
    centres = start + (np.arange(wanted)[:, None] + 0.5) * step
    weights = np.maximum(0, 1 - np.abs(np.arange(length) + 0.5 - centres) / step)
    return weights / weights.sum(axis=1, keepdims=True)


def by_definition(pixels, wanted):
    """What an image that is larger than the target becomes, in floating point, from every pixel of it."""
    size, target = np.array(pixels.shape[:2]), np.array([wanted.height, wanted.width])
    start, filled = np.zeros(2), target
    if wanted.resize == "crop":
        start = (size - target / (target / size).max()) / 2
    if wanted.resize == "pad":
        filled = np.rint(size * (target / size).min()).astype(int)
    down, across = (shrinking(size[axis], filled[axis], start[axis], size[axis] - start[axis]) for axis in (0, 1))
    shrunk = np.einsum("yh,hwc,xw->yxc", down, pixels, across, optimize=True)
    before = (target - filled) // 2
    around = [(before[axis], target[axis] - filled[axis] - before[axis]) for axis in (0, 1)]
    return np.pad(shrunk, [*around, (0, 0)], constant_values=wanted.background)


@pytest.mark.parametrize("resize", ["stretch", "pad", "crop"])
@pytest.mark.parametrize("orientation", STORED)
def test_a_jpeg_at_a_fraction_reads_like_the_whole_of_it(orientation, resize):
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored = STORED[orientation](photograph(151, 205))  # no multiple of any fraction: where its edges lie matters
    content = pillow(np.ascontiguousarray(stored), "JPEG", exif=exif, quality=90)
    wanted = spec(16, 24, resize=resize)
    image = decode(content, wanted)
    assert image.size == (205, 151)
    assert image.as_pillow.size == (52, 38)
    with Image.open(io.BytesIO(content)) as whole:
        pixels = np.asarray(whole)
    upright_ = {6: 8, 8: 6}.get(orientation, orientation)  # all others are their own inverse
    difference = np.abs(read_image(content, wanted) - by_definition(STORED[upright_](pixels), wanted))
    assert difference.mean() <= 0.6
    assert difference.max() <= 3


WHOLE = "whole"
FRACTIONS = [  # width and height upright, orientation, what is wanted, width and height decoded
    ((400, 300), 1, spec(32, 32), (100, 75)),
    ((400, 100), 1, spec(32, 32), WHOLE),  # 100 is less than 2 · 2 · 32
    ((400, 100), 1, spec(32, 32, resize="crop"), WHOLE),
    ((400, 100), 1, spec(32, 32, resize="pad"), (100, 25)),  # becomes 32 × 8
    ((400, 100), 1, spec(8, 32), (100, 25)),
    ((400, 100), 6, spec(8, 32), (100, 25)),
    ((100, 400), 8, spec(32, 8), (25, 100)),
    ((100, 400), 8, spec(8, 32), WHOLE),
    ((128, 128), 1, spec(32, 32), (64, 64)),
    ((128, 127), 1, spec(32, 32), WHOLE),
    ((129, 131), 3, spec(32, 32), (65, 66)),
    ((1024, 1024), 1, spec(32, 32), (128, 128)),
    ((400, 300), 1, spec(32, 32, color="grey"), (100, 75)),
    ((400, 300), 1, spec(32, 32, kernel="lanczos"), (100, 75)),
    ((400, 300), 1, spec(32, 32, kernel="nearest"), WHOLE),
    ((400, 300), 1, spec(32, 32, antialias=False), WHOLE),
]


@pytest.mark.parametrize(("size", "orientation", "wanted", "decoded"), FRACTIONS)
def test_a_fraction_leaves_twice_what_is_wanted(size, orientation, wanted, decoded):
    exif = Image.Exif()
    exif[0x0112] = orientation
    flat = np.full((size[1], size[0], 3), (200, 100, 50), np.uint8)
    content = pillow(np.ascontiguousarray(STORED[orientation](flat)), "JPEG", exif=exif, **JPEG)
    image = decode(content, wanted)
    assert image.size == size
    assert image.as_pillow.size == (size if decoded == WHOLE else decoded)
    assert upright_size(content) == size[::-1]


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 300), st.integers(1, 300), specs)
def test_a_fraction_is_enough_for_every_specification(height, width, wanted):
    image = upright(pillow(np.zeros((height, width), np.uint8), "JPEG"), wanted)
    left, upper, right, lower = image.box
    scales = wanted.height / height, wanted.width / width
    resized = {
        "stretch": (wanted.height, wanted.width),
        "crop": (height * max(scales), width * max(scales)),
        "pad": (height * min(scales), width * min(scales)),
    }[wanted.resize]
    if image.as_pillow.size != image.size:
        assert right - left >= REDUCING_GAP * resized[1] - 1e-6
        assert lower - upper >= REDUCING_GAP * resized[0] - 1e-6
    assert read_image(pillow(np.zeros((height, width), np.uint8), "JPEG"), wanted).shape == wanted.shape


@pytest.mark.parametrize("options", [{"mode": "CMYK"}, {"mode": "L"}, {"progressive": True}, {"format_": "MPO"}])
def test_every_kind_of_jpeg_can_be_decoded_at_a_fraction(options):
    content = pillow(photograph(96, 128), **{"format_": "JPEG", "quality": 90, **options})
    wanted = spec(12, 16)
    image, whole = decode(content, wanted), decode_whole(content, wanted)
    assert image.as_pillow.size == (32, 24)
    assert whole.as_pillow.size == whole.size == image.size == (128, 96)
    assert np.abs(read_image(content, wanted) - by_definition(np.asarray(whole.as_pillow), wanted)).max() <= 4


def test_decode_keeps_the_size_of_the_image():
    image = decode(FILES["png"][0], spec(4, 4))
    assert image.size == image.as_pillow.size == (WIDTH, HEIGHT)


@pytest.mark.parametrize("name", FILES)
def test_the_size_is_known_from_the_header(name):
    assert upright_size(FILES[name][0]) == (HEIGHT, WIDTH)
    assert upright_size(RGB) == (HEIGHT, WIDTH)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [name for name in FILES if name.startswith(("jpeg", "png", "gif")) and "alpha" not in name]
)
def test_tensorflow_decodes_the_same_pixels(name):
    if "transparent" in name:
        pytest.skip("TensorFlow drops transparency")
    import tensorflow as tf

    tolerance = 6 if "cmyk" in name else 2 if "jpeg" in name else 0
    other = tf.io.decode_image(FILES[name][0], channels=3, expand_animations=False).numpy()
    assert np.abs(read_image(FILES[name][0], spec()).astype(int) - other).max() <= tolerance
