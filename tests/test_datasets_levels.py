"""Images of more than 8 bits: their range is noticed over the data set, set, recorded, and no two are mixed up."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from cnnexp.__main__ import main
from cnnexp.config import FolderDataConfig, NpzDataConfig
from cnnexp.data_check import check
from cnnexp.datasets import inspect_dataset, read_images
from cnnexp.errors import ConfigError, DataError
from cnnexp.images import ImageSpec, read_image
from support.image_files import spec
from support.image_folders import data_settings
from support.image_formats import png, tiff

RANDOM = np.random.default_rng(0)
SIDE = 8


def decoded(path, kind=FolderDataConfig, **changes):
    settings = data_settings(kind, path=path, cache=path.parent / "cache", **changes)
    return read_images(settings, on_progress=lambda *_: None)[1]


def notes(path, kind=FolderDataConfig, **changes):
    return " ".join(decoded(path, kind, **changes).manifest.notes)


def folder(tmp_path, levels, write, *, count=20):
    """Two classes of images, all different, whose levels `levels(random, shape)` draws."""
    path = tmp_path / "data"
    for name in ("cold", "hot"):
        (path / name).mkdir(parents=True)
        for number in range(count):
            content, ending = write(levels((SIDE, SIDE)))
            (path / name / f"{number}.{ending}").write_bytes(content)
    return path


def between(low, high, dtype=np.uint16):
    return lambda shape: RANDOM.integers(low, high, shape, endpoint=True).astype(dtype)


def grey_png(levels):
    return png(levels, bits=16, kind=0), "png"


def color_png(levels):
    return png(np.dstack([levels, levels.T, levels[::-1]]), bits=16, kind=2), "png"


def transparent_png(levels):
    return png(np.dstack([levels, levels.T, levels, np.full_like(levels, 65535)]), bits=16, kind=6), "png"


def grey_and_alpha_png(levels):
    return png(np.dstack([levels, np.full_like(levels, 65535)]), bits=16, kind=4), "png"


def grey_tiff(levels):
    return tiff(levels), "tif"


def big_endian_tiff(levels):
    return tiff(levels, order=">"), "tif"


def color_tiff(levels):
    return tiff(np.dstack([levels, levels.T, levels[::-1]]), photometric=2), "tiff"


def packed_tiff(levels):
    file = io.BytesIO()
    Image.fromarray(levels).save(file, "TIFF", compression="tiff_adobe_deflate")
    return file.getvalue(), "tif"


DEEP = [
    grey_png, color_png, transparent_png, grey_and_alpha_png, grey_tiff, big_endian_tiff, color_tiff, packed_tiff,
]  # fmt: skip


@pytest.mark.parametrize("write", DEEP)
@pytest.mark.parametrize(
    ("low", "high", "suggested"),
    [
        (0, 255, "[0,255]"),
        (0, 1023, "[0,1023]"),
        (0, 4095, "[0,4095]"),
        (0, 16383, "[0,16383]"),
        (512, 731, "[512,731]"),
    ],
)
def test_a_range_that_is_hardly_used_is_noticed_and_no_image_is_a_duplicate(tmp_path, write, low, high, suggested):
    path = folder(tmp_path, between(low, high), write)
    found = decoded(path)
    assert f"data.value_range={suggested}" in " ".join(found.manifest.notes)
    assert "40 images of 40 with more than 8 bits (uint16) use" in " ".join(found.manifest.notes)
    np.testing.assert_array_equal(found.duplicate_of, np.arange(40))


@pytest.mark.parametrize("write", DEEP)
def test_a_range_that_is_set_is_what_becomes_black_and_white(write):
    levels = between(0, 4095)((SIDE, SIDE))
    read = read_image(write(levels)[0], spec(SIDE, SIDE, value_range=(100.0, 4000.0)))
    np.testing.assert_array_equal(read[..., 0], np.rint(np.clip((levels - 100.0) / 3900 * 255, 0, 255)))


def test_a_single_image_meets_the_range_of_its_data_set(tmp_path):
    found = decoded(folder(tmp_path, between(0, 4095), grey_png, count=3), value_range=[0.0, 4095.0])
    assert "value_range" not in " ".join(found.manifest.notes)
    assert found.spec.value_range == (0, 4095)
    for row, file in enumerate(found.manifest.files):
        np.testing.assert_array_equal(read_image(tmp_path / "data" / file, found.spec), found.images[row])


def test_images_of_the_full_range_need_no_word(tmp_path):
    assert "value_range" not in notes(folder(tmp_path, between(0, 65535), grey_png))


@pytest.mark.parametrize("factor", [256, 257])
def test_eight_bits_written_as_sixteen_are_the_same_images(tmp_path, factor):
    path = tmp_path / "data"
    for name in ("a", "b"):
        (path / name).mkdir(parents=True)
        for number in range(3):
            levels = RANDOM.integers(0, 256, (SIDE, SIDE)).astype(np.uint8)
            (path / name / f"{number}-8.png").write_bytes(png(levels))
            (path / name / f"{number}-16.png").write_bytes(png(levels.astype(np.uint16) * factor, bits=16))
    found = decoded(path)
    assert "value_range" not in " ".join(found.manifest.notes)
    np.testing.assert_array_equal(np.unique(found.duplicate_of, return_counts=True)[1], np.full(6, 2))


def test_single_bright_pixels_decide_nothing(tmp_path):
    path = folder(tmp_path, between(0, 1023), grey_png)
    levels = between(0, 1023)((SIDE, SIDE))
    levels[0, 0] = 65535
    (path / "hot" / "0.png").write_bytes(grey_png(levels)[0])
    assert "39 images of 40" in notes(path)
    assert "data.value_range=[0,1023]" in notes(path)


def test_levels_beyond_the_range_are_counted(tmp_path):
    path = folder(tmp_path, between(0, 4095), grey_png)
    assert "40 images have levels beyond the range 0 to 255" in notes(path, value_range=[0.0, 255.0])


def test_files_that_say_their_largest_level_need_no_setting(tmp_path):
    def pgm(levels):
        return b"P5 8 8 4095\n" + levels.astype(">u2").tobytes(), "pgm"

    path = folder(tmp_path, between(0, 4095), pgm)
    found = decoded(path)
    assert "value_range" not in " ".join(found.manifest.notes)
    assert found.images.max() == 255
    assert "data.value_range=[0,255]" in notes(folder(tmp_path / "dark", between(0, 255), pgm))


@pytest.mark.parametrize(
    ("levels", "kind", "setting"),
    [
        (between(-1024, 3071, np.int16), "int16", r"\[-1024,3071\]"),
        (between(0, 70_000, np.int32), "int32", r"\[0,70000\]"),
        (lambda shape: np.linspace(0.5, 200, SIDE * SIDE, dtype=np.float32).reshape(shape), "float32", r"\[0.5,200\]"),
    ],
)
def test_levels_of_no_known_range_are_refused_with_the_line_to_type(tmp_path, levels, kind, setting):
    def write(pixels):
        pixels[0, 0], pixels[0, 1] = levels((SIDE, SIDE)).min(), levels((SIDE, SIDE)).max()
        return tiff(pixels), "tif"

    path = folder(tmp_path, levels, write, count=5)
    with pytest.raises(DataError, match=f"range that is known; they are {kind}.*data.value_range="):
        decoded(path)
    low, high = (-1024.0, 3071.0) if kind == "int16" else (0.0, 70_000.0) if kind == "int32" else (0.5, 200.0)
    found = decoded(path, value_range=[low, high])
    assert not found.unreadable
    assert found.images.max() > 240


def test_some_images_of_no_known_range_are_said_with_their_common_range(tmp_path):
    path = folder(tmp_path, between(0, 65535), grey_png)
    for number, low in enumerate((-5, -900)):
        (path / "hot" / f"{number}.png").write_bytes(tiff(np.array([[low, 77]] * SIDE, np.int16)))
    found = decoded(path)
    assert len(found.unreadable) == 2
    assert "The range of 2 images is not known: their levels are int16 from -900 to 77." in " ".join(
        found.manifest.notes
    )


@pytest.mark.parametrize("dtype", [np.uint16, np.int64, np.float64])
def test_arrays_have_a_range_too(tmp_path, dtype):
    path = tmp_path / "data.npz"
    images = RANDOM.integers(0, 4096, (20, SIDE, SIDE)).astype(dtype)
    np.savez(path, images=images, labels=np.arange(20) % 2)
    found = decoded(path, NpzDataConfig, value_range=[0.0, 4095.0])
    np.testing.assert_array_equal(found.images[..., 0], np.rint(images / 4095 * 255))
    if dtype == np.uint16:
        assert "data.value_range=[0,4095]" in notes(path, NpzDataConfig)
    else:
        with pytest.raises(DataError, match=r"data.value_range="):
            decoded(path, NpzDataConfig)


def test_images_that_differ_in_transparency_alone_are_not_equal(tmp_path):
    path = tmp_path / "data"
    levels = between(0, 65535)((SIDE, SIDE))
    for number, name in enumerate(("a", "b")):
        (path / name).mkdir(parents=True)
        alpha = np.full_like(levels, 30_000 * number)
        (path / name / "0.png").write_bytes(png(np.dstack([levels, alpha]), bits=16, kind=4))
    np.testing.assert_array_equal(decoded(path).duplicate_of, [0, 1])


def test_a_range_goes_into_the_card_and_back_and_none_leaves_it_as_it_was():
    plain, ranged = spec(), spec(value_range=(0.0, 4095.0), max_pixels=10)
    assert list(plain.as_dict()) == ["height", "width", "color", "resize", "kernel", "antialias", "background"]
    assert ranged.as_dict()["value_range"] == (0, 4095)
    for one in (plain, ranged):
        assert ImageSpec.from_dict(json.loads(json.dumps(one.as_dict()))) == one


@pytest.mark.parametrize(
    "value", [[5.0, 5.0], [9.0, 1.0], [0.0], [0.0, 1.0, 2.0], [0.0, float("inf")], [float("nan"), 1.0]]
)
def test_a_range_that_is_none_is_refused(tmp_path, value):
    with pytest.raises(ConfigError, match=r"data.value_range must be"):
        data_settings(FolderDataConfig, path=tmp_path, cache=tmp_path, value_range=value)


def test_more_pixels_are_read_where_the_settings_say_so(tmp_path):
    path = folder(tmp_path, between(0, 65535), grey_png, count=3)
    with pytest.raises(DataError, match=r"8 × 8 pixels are more than the 63 that are read.*data.max_pixels"):
        decoded(path, max_pixels=63)
    assert decoded(path, max_pixels=64).spec.max_pixels == 64


def test_images_of_which_little_is_left_are_no_near_duplicates(tmp_path):
    """A bright ring and a few specks, of 0..1100: some images become the same 8-bit pixels, and are not flat."""
    ring = np.zeros((SIDE, SIDE), np.uint16)
    ring[1:-1, 1:-1] = 520

    def levels(shape):
        specks = RANDOM.integers(0, 2, shape) * 600 * (RANDOM.random() < 0.7)
        return (ring + specks + RANDOM.integers(0, 200, shape)).astype(np.uint16)

    path = folder(tmp_path, levels, grey_png, count=40)
    settings = data_settings(FolderDataConfig, path=path, cache=tmp_path / "cache")
    inspected = inspect_dataset(settings, seed=0, on_progress=lambda *_: None, strict=False)
    assert len(np.unique(inspected.decoded.images.reshape(80, -1), axis=0)) < 80
    report = check(inspected, few_images=1, uneven=10, balanced=False, labels=False)
    assert not {issue.id for issue in report.issues} & {"L1", "S1", "D4"}


def test_the_data_check_says_it(tmp_path, monkeypatch, capsys):
    path = folder(tmp_path, between(512, 731), grey_png)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    arguments = ["check-data", "data=folder", f"data.path={path}"]
    assert main([*arguments, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert not {issue["id"] for issue in report["issues"]} & {"L1", "S1", "D4"}
    assert any("data.value_range=[512,731]" in note for note in report["notes"])
    assert main([*arguments, "data.value_range=[512,731]", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert not any("value_range" in note for note in report["notes"])
