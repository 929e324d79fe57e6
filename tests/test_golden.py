"""Each step between a file and its probabilities, broken by itself, is named; with a model of NumPy."""

import base64
import dataclasses
import io

import numpy as np
import pytest
from PIL import Image
from scipy.special import softmax

from cnnexp.images import ImageSpec
from cnnexp.portable import golden
from cnnexp.portable.card import Card, ChannelStatistics, Thresholds, UnfitModelError

SPEC = ImageSpec(height=12, width=16, color="rgb", resize="stretch", kernel="bilinear", antialias=True, background=255)
NAMES = ("ant", "bee", "cat", "dog")
WEIGHTS = np.random.default_rng(0).normal(size=(12 * 16 * 3, 4)) * 0.02


def answer(pixels):
    return softmax(pixels.reshape(len(pixels), -1) / 255 @ WEIGHTS * 5, axis=1).astype(np.float32)


def photo(change=lambda pixels: pixels, kind="PNG") -> bytes:
    y, x = np.mgrid[0:60, 0:90]
    pixels = np.stack([x * 255 // 89, y * 255 // 59, (x + y) % 40 * 3], axis=2).astype(np.uint8)
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(change(pixels))).save(file, kind)
    return file.getvalue()


def card(*files: bytes, spec: ImageSpec = SPEC) -> Card:
    samples = tuple(golden.record(f"photo {n}", file, spec, NAMES, answer) for n, file in enumerate(files))
    return Card(
        format=2, class_names=NAMES, image=spec, scaling={}, temperature=1.0, calibration_images=0,
        training_pixels=ChannelStatistics(mean=(), deviation=()), data={}, versions={}, made_on={}, files={},
        thresholds=Thresholds(images=0, coverage={}, unlike_p=0.01, unlike_distance=None), golden=samples,
    )  # fmt: skip


def changed(recorded: Card, file: bytes) -> Card:
    """The same expectations of another file: what a reader with a fault would see."""
    (sample,) = recorded.golden
    return dataclasses.replace(recorded, golden=(dataclasses.replace(sample, file=base64.b64encode(file).decode()),))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("spec", [SPEC, dataclasses.replace(SPEC, color="grey", resize="pad")])
def test_what_is_unchanged_passes(kind, spec):
    def grey_answer(pixels):
        return answer(np.repeat(pixels, 3, axis=3)) if spec.color == "grey" else answer(pixels)

    sample = golden.record("photo", photo(kind=kind), spec, NAMES, grey_answer)
    golden.replay(dataclasses.replace(card(), image=spec, golden=(sample,)), grey_answer, same_machine=True)


@pytest.mark.parametrize(
    ("change", "step"),
    [
        (lambda pixels: pixels.transpose(1, 0, 2), "decoding: .* must be 90 × 60 pixels; here it is 60 × 90"),
        (lambda pixels: pixels[..., ::-1], "colour: .* red and blue are swapped"),
        (lambda pixels: 255 - pixels, "colour: .* it is inverted"),
        (lambda pixels: pixels[::-1], "decoding or colour"),
        (lambda pixels: pixels // 2, "decoding or colour"),
    ],
)
@pytest.mark.parametrize("same_machine", [True, False])
def test_a_reader_with_a_fault_is_told_by_its_step(change, step, same_machine):
    with pytest.raises(UnfitModelError, match=f"the step that differs is {step}"):
        golden.replay(changed(card(photo()), photo(change)), answer, same_machine=same_machine)


@pytest.mark.parametrize("rule", [{"resize": "pad"}, {"resize": "crop"}, {"kernel": "nearest"}, {"antialias": False}])
def test_another_resize_is_told(rule):
    noisy = photo(lambda pixels: np.random.default_rng(1).integers(0, 256, pixels.shape, dtype=np.uint8))
    moved = dataclasses.replace(card(noisy), image=dataclasses.replace(SPEC, **rule))
    with pytest.raises(UnfitModelError, match="the step that differs is resizing"):
        golden.replay(moved, answer, same_machine=True)


@pytest.mark.parametrize("rule", [{"kernel": "nearest"}, {"kernel": "bicubic"}, {"antialias": False}])
@pytest.mark.parametrize("side", [64, 200])
def test_another_kernel_is_told_elsewhere_too(rule, side):
    """Averages hardly tell one: single pixels do."""

    def even(pixels):
        return np.full((len(pixels), 4), 0.25, np.float32)

    spec = dataclasses.replace(SPEC, height=side, width=side)
    file = io.BytesIO()
    noise = np.random.default_rng(1).integers(0, 256, (3 * side, 3 * side, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file, "PNG")
    recorded = dataclasses.replace(card(), image=spec, golden=(golden.record("x", file.getvalue(), spec, NAMES, even),))
    golden.replay(recorded, even, same_machine=False)
    moved = dataclasses.replace(recorded, image=dataclasses.replace(spec, **rule))
    with pytest.raises(UnfitModelError, match="the step that differs is resizing"):
        golden.replay(moved, even, same_machine=False)


@pytest.mark.parametrize("centre", ["", "no base64", base64.b64encode(b"no image").decode()])
def test_a_card_whose_pixels_are_none_is_refused(centre):
    recorded = card(photo())
    (sample,) = recorded.golden
    made_up = dataclasses.replace(recorded, golden=(dataclasses.replace(sample, centre=centre),))
    with pytest.raises(UnfitModelError, match="the step that differs is resizing"):
        golden.replay(made_up, answer, same_machine=False)


def test_small_differences_pass_elsewhere_and_nowhere_on_the_same_machine():
    recorded = card(photo())
    other = changed(recorded, photo(lambda pixels: pixels + (pixels < 255)))  # a decoder that rounds otherwise
    golden.replay(other, lambda pixels: answer(pixels - 1), same_machine=False)
    with pytest.raises(UnfitModelError, match="resizing"):
        golden.replay(other, answer, same_machine=True)
    for difference, same_machine, passes in ((5e-6, True, True), (5e-4, True, False), (5e-4, False, True)):

        def drifted(pixels, difference=difference):
            return answer(pixels) + np.float32(difference) * np.array([1, -1, 0, 0], np.float32)

        if passes:
            golden.replay(recorded, drifted, same_machine=same_machine)
        else:
            with pytest.raises(UnfitModelError, match=r"scaling or weights.*a probability differs by 0\.0005"):
                golden.replay(recorded, drifted, same_machine=same_machine)


def test_wrong_classes_wrong_scaling_and_nan_are_told():
    recorded = card(photo())
    for given, step in (
        (lambda pixels: answer(pixels)[:, ::-1], "class order"),
        (lambda pixels: answer(pixels)[:, :3], "class order"),
        (lambda pixels: answer(pixels / 255), "scaling or weights"),
        (lambda pixels: answer(pixels) * np.float32("nan"), "scaling or weights"),
    ):
        with pytest.raises(UnfitModelError, match=f"the step that differs is {step}"):
            golden.replay(recorded, given, same_machine=False)
    with pytest.raises(UnfitModelError, match="class order"):
        golden.replay(dataclasses.replace(recorded, class_names=NAMES[::-1]), answer, same_machine=False)


def test_the_chart_is_changed_by_every_setting_of_the_reader():
    from cnnexp.images import read_image

    plain = read_image(golden.chart(), SPEC)
    for rule in (
        {"color": "grey"}, {"resize": "pad"}, {"resize": "crop"}, {"kernel": "nearest"}, {"kernel": "bicubic"},
        {"antialias": False}, {"background": 0},
    ):  # fmt: skip
        assert not np.array_equal(plain, read_image(golden.chart(), dataclasses.replace(SPEC, **rule))), rule
