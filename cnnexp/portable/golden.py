"""Golden samples: image files with the recorded result of every step through reader and model.

Replaying them shows whether a model still gives its recorded answers on another machine, with another version of a
library or in another program, and if not, which step differs: decoding, colour, resizing, scaling and weights, or the
order of the classes.
"""

import base64
import hashlib
import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from ..images import DecodedImage, ImageSpec, UnreadableImageError, decode, decode_whole, resize
from .card import Card, GoldenSample, UnfitModelError

GRID = 8  # cells a side of the average that stands for a picture
CENTRE = 64  # maximum side, in pixels, of what is recorded pixel by pixel: a card of large images stays small
PIXEL_TOLERANCE = 2.0  # of 255; decoders and resamplers of other versions differ by one or two
ROUNDING = 0.01  # of 255; averages are recorded to two decimals
SAME_MACHINE = 1e-5  # of a probability; the batch size alone changes float32 by 1.4e-6
ELSEWHERE = 1e-3  # of a probability; another processor or library sums in another order

Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]  # (N, H, W, C) -> probabilities (N, K)


def record(name: str, file: bytes, spec: ImageSpec, class_names: tuple[str, ...], predict: Predict) -> GoldenSample:
    """Return the result of every step for an image file, on this machine.

    Raises:
        UnreadableImageError: It is not an image file.

    """
    picture = decode(file, spec)
    pixels = resize(picture, spec)
    probabilities = predict(pixels[None])[0]
    return GoldenSample(
        name=name,
        file=base64.b64encode(file).decode(),
        size=picture.size,
        picture=_averages(_array(picture)),
        pixels=_averages(pixels),
        pixels_digest=_digest(pixels),
        centre=base64.b64encode(to_png(as_image(_centre(pixels)))).decode(),
        label=class_names[int(probabilities.argmax())],
        probabilities=tuple(probabilities.tolist()),
    )


def replay(card: Card, predict: Predict, *, same_machine: bool, tolerance: float | None = None) -> None:
    """Send every golden sample through reader and model and compare with the recorded results.

    Args:
        card: With the samples.
        predict: The model.
        same_machine: Processor and libraries are those of the recording.
        tolerance: How much a probability may differ; None: 1e-5 on the same machine, 1e-3 elsewhere.

    Raises:
        UnfitModelError: Something differs; the message names the step.

    """
    for sample in card.golden:
        pixels = _pixels_as_recorded(sample, card.image, same_machine=same_machine)
        exact = _digest(pixels) == sample.pixels_digest
        probabilities = predict(pixels[None])[0]
        expected = SAME_MACHINE if same_machine and exact else ELSEWHERE
        _compare(sample, probabilities, card.class_names, expected if tolerance is None else tolerance)


def chart() -> bytes:
    """Draw an image that every step of the reader changes: 67 × 29 pixels, colour, right half transparent; PNG.

    Models trained on arrays, or on images of exactly their input size, have no training file that needs decoding and
    resizing.
    """
    width, height = 67, 29  # an aspect ratio that no network has
    y, x = np.mgrid[0:height, 0:width]
    pixels = np.empty((height, width, 4), np.uint8)
    pixels[..., 0] = x * 255 // (width - 1)
    pixels[..., 1] = y * 255 // (height - 1)
    pixels[..., 2] = (x // 6 + y // 6) % 2 * 160
    pixels[..., 3] = np.where(x >= width // 2, 160, 255)
    image = Image.fromarray(pixels)
    ImageDraw.Draw(image).ellipse((6, 4, 24, 24), outline=(255, 255, 255, 255), width=3)
    return to_png(image)


def to_png(image: Image.Image) -> bytes:
    """Return an image as the content of a PNG file."""
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def _pixels_as_recorded(sample: GoldenSample, spec: ImageSpec, *, same_machine: bool) -> NDArray[np.uint8]:
    try:
        picture = decode(base64.b64decode(sample.file), spec)
    except (UnreadableImageError, ValueError) as error:
        raise _moved(sample, "decoding", f"the file cannot be read here: {error}") from error
    if picture.size != sample.size:
        raise _moved(
            sample, "decoding", f"the picture must be {_by(sample.size)} pixels; here it is {_by(picture.size)}"
        )
    difference = _difference(_averages(_array(picture)), sample.picture)
    if difference > PIXEL_TOLERANCE:
        raise _moved(sample, *_blame_decoding(_array(picture), sample, difference))
    pixels = resize(picture, spec)
    difference = max(_difference(_averages(pixels), sample.pixels), _difference_in_the_centre(pixels, sample, spec))
    exact = _digest(pixels) == sample.pixels_digest
    if difference > PIXEL_TOLERANCE or (same_machine and not exact):
        raise _moved(sample, "resizing", f"the pixels differ, by up to {max(difference, ROUNDING):.3g} of 255")
    return pixels


def _difference_in_the_centre(pixels: NDArray[np.uint8], sample: GoldenSample, spec: ImageSpec) -> float:
    """Return the largest difference of a pixel; infinite where sizes differ or the card has no valid centre."""
    here = _centre(pixels)
    try:
        expected = _array(decode_whole(base64.b64decode(sample.centre), spec))
    except (UnreadableImageError, ValueError):
        return float("inf")
    if expected.shape != here.shape:
        return float("inf")
    return float(np.abs(here.astype(np.int16) - expected).max())


def _centre(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    top, left = (max(0, (side - CENTRE) // 2) for side in pixels.shape[:2])
    return pixels[top : top + CENTRE, left : left + CENTRE]


def as_image(pixels: NDArray[np.uint8]) -> Image.Image:
    """Return pixels (H, W, C), grey or RGB, for Pillow."""
    return Image.fromarray(np.ascontiguousarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels))


def _blame_decoding(picture: NDArray[np.uint8], sample: GoldenSample, difference: float) -> tuple[str, str]:
    """Return the step that differs and how: swapped channels, inverted colours, or else."""
    for change, tried in (("red and blue are swapped", picture[..., ::-1]), ("it is inverted", 255 - picture)):
        if _difference(_averages(tried), sample.picture) <= PIXEL_TOLERANCE:
            return "colour", change
    return "decoding or colour", f"the picture differs by up to {difference:.3g} of 255"


def _compare(
    sample: GoldenSample, probabilities: NDArray[np.float32], class_names: tuple[str, ...], tolerance: float
) -> None:
    expected = np.array(sample.probabilities, np.float32)
    if expected.shape != probabilities.shape or len(class_names) != len(expected):
        raise _moved(
            sample, "class order", f"there must be {len(expected)} classes; the model gives {len(probabilities)}"
        )
    if class_names[int(expected.argmax())] != sample.label:
        name = class_names[int(expected.argmax())]
        raise _moved(sample, "class order", f"the answer must be {sample.label}; here it is {name}")
    difference = float(np.abs(probabilities - expected).max())
    if difference <= tolerance:  # also false for NaN
        return
    permuted = np.abs(np.sort(probabilities) - np.sort(expected)).max() <= tolerance
    step = "class order" if permuted else "scaling or weights"
    raise _moved(sample, step, f"a probability differs by {difference:.2g}; at most {tolerance:g} is allowed")


def _moved(sample: GoldenSample, step: str, what: str) -> UnfitModelError:
    return UnfitModelError(
        f"This model no longer gives its recorded answers; the step that differs is {step}: for the golden sample "
        f"{sample.name}, {what}. Install the versions that its card names, or take the original files from the run."
    )


def _array(picture: DecodedImage) -> NDArray[np.uint8]:
    pixels = np.asarray(picture.pixels)
    return pixels[..., None] if pixels.ndim == 2 else pixels


def _averages(pixels: NDArray[np.uint8]) -> tuple[float, ...]:
    """Return the mean of each cell of a grid and each channel, to two decimals; small images have smaller grids."""
    means = pixels.astype(np.float64)
    for axis in (0, 1):
        size = pixels.shape[axis]
        cells = min(GRID, size)
        starts = np.arange(cells) * size // cells
        widths = np.diff(np.append(starts, size))
        shape = [1, 1, 1]
        shape[axis] = cells
        means = np.add.reduceat(means, starts, axis=axis) / widths.reshape(shape)
    return tuple(np.round(means.ravel(), 2).tolist())


def _difference(one: tuple[float, ...], other: tuple[float, ...]) -> float:
    return float(np.abs(np.subtract(one, other)).max()) if len(one) == len(other) else float("inf")


def _digest(pixels: NDArray[np.uint8]) -> str:
    return hashlib.sha256(np.ascontiguousarray(pixels).data).hexdigest()


def _by(size: tuple[int, int]) -> str:
    return f"{size[0]} × {size[1]}"
