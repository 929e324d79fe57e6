"""Plain JPEGs by libjpeg-turbo itself: the same pixels as by Pillow, or the file is left to Pillow."""

import io
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from cnnexp.images import UnreadableImageError, read_image
from cnnexp.images.jpeg import decode_by_pillow, decode_by_simplejpeg
from support.image_files import STORED, spec

ORIENTATION = 0x0112


def photograph(height, width):
    random = np.random.RandomState(0)
    coarse = Image.fromarray(random.randint(0, 256, (5, 7, 3)).astype(np.uint8))
    clouds = np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC)).astype(int)
    return np.clip(clouds + random.randint(-25, 26, clouds.shape), 0, 255).astype(np.uint8)


def jpeg(height=61, width=83, *, mode=None, orientation=None, order=None, **options):
    image = Image.fromarray(photograph(height, width))
    exif = Image.Exif()
    if order:
        exif.endian = order
    exif[0x010F] = "Camera"
    if orientation:
        exif[ORIENTATION] = orientation
    file = io.BytesIO()
    (image.convert(mode) if mode else image).save(file, "JPEG", **{"exif": exif, "quality": 85, **options})
    return file.getvalue()


PLAIN = {
    "baseline": jpeg(),
    "without anything": jpeg(exif=b""),
    "progressive": jpeg(progressive=True),
    "grey": jpeg(mode="L"),
    "grey, progressive": jpeg(mode="L", progressive=True),
    "4:4:4": jpeg(subsampling=0),
    "4:2:2": jpeg(subsampling=1),
    "optimized, with restarts": jpeg(optimize=True, restart_marker_rows=1),
    "with a colour profile and a comment": jpeg(icc_profile=b"x" * 70_000, comment=b"\xff\xd8\xff\xe1 as a text"),
    "upright by Exif, big endian": jpeg(orientation=1, order=">"),
    "upright by Exif, little endian": jpeg(orientation=1, order="<"),
    "worst quality": jpeg(quality=1),
    "one pixel": jpeg(1, 1),
    "narrow": jpeg(200, 3),
}
NOT_PLAIN = {
    "CMYK": jpeg(mode="CMYK"),
    "truncated": jpeg()[:-300],
    "turned by XMP": jpeg(xmp=b'<x:xmpmeta><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'),
}
WHOLE = spec(1, 1), True
SPECS = [
    spec(61, 83), spec(16, 16), spec(7, 9), spec(3, 2, color="grey"), spec(12, 30, resize="pad"),
    spec(30, 12, resize="crop", kernel="lanczos"), spec(9, 9, antialias=False), spec(1, 1),
]  # fmt: skip


def same(one, other):
    """Two images agree in everything."""
    np.testing.assert_array_equal(np.asarray(one.as_pillow), np.asarray(other.as_pillow))
    return (one.as_pillow.mode, one.size, one.box) == (other.as_pillow.mode, other.size, other.box)


@pytest.mark.parametrize(("wanted", "whole"), [WHOLE, *((one, False) for one in SPECS)])
@pytest.mark.parametrize("name", PLAIN)
def test_a_plain_file_gives_the_pixels_that_pillow_gives(name, wanted, whole):
    slow = decode_by_pillow(PLAIN[name], wanted, whole=whole)
    if (fast := decode_by_simplejpeg(PLAIN[name], wanted, whole=whole)) is None:
        assert min(slow.size) < 16  # a fraction of so few pixels cannot be distinguished from another
    else:
        assert same(fast, slow)


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_every_other_file_is_left_to_pillow(name):
    assert decode_by_simplejpeg(NOT_PLAIN[name], spec(), whole=False) is None


@pytest.mark.parametrize("order", [">", "<"])
@pytest.mark.parametrize("orientation", [number for number in STORED if number != 1])
def test_a_turned_file_is_left_to_pillow(orientation, order):
    assert decode_by_simplejpeg(jpeg(orientation=orientation, order=order), spec(), whole=True) is None


def test_a_bomb_is_refused_before_it_is_decoded():
    content = jpeg(16, 16)
    at = content.index(b"\xff\xc0") + 5
    bomb = content[:at] + b"\xc3\x50\xc3\x50" + content[at + 4 :]
    for decode in (decode_by_simplejpeg, decode_by_pillow):
        with pytest.raises(UnreadableImageError, match="50000 × 50000 pixels are more"):
            decode(bomb, spec(), whole=False)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_a_damaged_file_gives_the_same_or_is_left_to_pillow(data):
    content = bytearray(PLAIN[data.draw(st.sampled_from(sorted(PLAIN)), label="file")])
    for _ in range(data.draw(st.integers(1, 3), label="changes")):
        content[data.draw(st.integers(2, len(content) - 1))] = data.draw(st.integers(0, 255))
    wanted = data.draw(st.sampled_from(SPECS), label="spec")
    if not content.startswith(b"\xff\xd8\xff"):
        return  # another format, if any
    try:
        fast = decode_by_simplejpeg(bytes(content), wanted, whole=False)
        slow = decode_by_pillow(bytes(content), wanted, whole=False)
    except Exception:
        with pytest.raises(UnreadableImageError):
            read_image(bytes(content), wanted)
    else:
        assert fast is None or same(fast, slow)


def test_without_simplejpeg_the_same_pixels_are_read(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(PLAIN["baseline"])
    code = (
        "import sys; sys.modules['simplejpeg'] = None\n"
        "from cnnexp.images import ImageSpec, read_image; from cnnexp.images import jpeg\n"
        "assert jpeg.simplejpeg is None\n"
        "spec = ImageSpec(16, 16, color='rgb', resize='stretch', kernel='bilinear', antialias=True, background=200)\n"
        f"sys.stdout.buffer.write(read_image({str(path)!r}, spec).tobytes())"
    )
    read = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True).stdout
    assert read == read_image(path, spec(16, 16)).tobytes()
