"""The image settings as requested, and what `auto` becomes: size, colour and resize rule from a sample of images."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.config import DataConfig
from cnnexp.datasets.sources.source import ImageSource
from cnnexp.errors import ConfigError, DataError
from cnnexp.images import (
    PIXEL_LIMIT,
    ImageSpec,
    UnknownRangeError,
    UnreadableImageError,
    decode_whole,
    upright_size,
)
from cnnexp.system.text import plural

SAMPLE = 64  # images examined, evenly spaced over the data set
AGREE = 0.95  # share of the sample that has to agree, so that a few stray photographs decide nothing
ASPECT_TOLERANCE = 0.05  # aspect ratios closer than this, relatively, count as equal
LARGEST_SIDE = 64  # pixels; images found to be larger are shrunk to it
_USUAL_RANGES = ((-1, 1), (0, 255), (-128, 127), (0, 1023), (0, 4095), (0, 16383), (0, 65535))
FILLED = 0.75  # share of a usual range above which levels are taken for it
SIDE_STEP = 8  # pixels; found sides are multiples of it, so that pooling halves them evenly


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """The image settings as they were requested, `auto` included."""

    size: tuple[int, int] | None  # (height, width); None: auto
    color: str
    resize: str
    kernel: str
    antialias: bool
    background: int
    value_range: tuple[float, float] | None
    max_pixels: int

    @classmethod
    def of(cls, data: DataConfig) -> "ImageRequest":
        """Select the image settings from the settings of the data set."""
        return cls(
            size=None if data.size is None else (data.size[0], data.size[1]),
            color=data.color,
            resize=data.resize,
            kernel=data.kernel,
            antialias=data.antialias,
            background=data.background,
            value_range=None if data.value_range is None else (data.value_range[0], data.value_range[1]),
            max_pixels=PIXEL_LIMIT if data.max_pixels is None else data.max_pixels,
        )


def resolve_spec(
    request: ImageRequest, source: ImageSource, *, files: Sequence[str]
) -> tuple[ImageSpec, tuple[str, ...]]:
    """Replace every `auto` by a value that suits the images.

    Size: the images' own where 95 % of the sample share one of at most 64 × 64; else a square of the median shorter
    side, rounded down to a multiple of 8, from 8 to 64. Colour: grey if red, green and blue are equal in every sampled
    image. Resize: stretch where 95 % of the sample agree in aspect ratio to 5 %, else pad.

    Returns:
        the specification, and a note where images are not used at their own size

    Raises:
        DataError: none of the sampled images can be read.
        ConfigError: the settings contradict each other.

    """
    sizes, colored = _sample(request, source, files)
    height, width = request.size or _found_size(sizes)
    try:
        spec = ImageSpec(
            height=height,
            width=width,
            color=("rgb" if colored else "grey") if request.color == "auto" else request.color,
            resize=_found_resize(sizes) if request.resize == "auto" else request.resize,
            kernel=request.kernel,
            antialias=request.antialias,
            background=request.background,
            value_range=request.value_range,
            max_pixels=request.max_pixels,
        )
    except ValueError as error:
        raise ConfigError(f"data: {error}") from error
    return spec, _note(spec, sizes, request)


def _note(spec: ImageSpec, sizes: NDArray[np.int64], request: ImageRequest) -> tuple[str, ...]:
    if request.size is not None or (sizes == (spec.height, spec.width)).all():
        return ()
    height, width = np.median(sizes, axis=0).astype(int)
    return (
        f"Images are read as {spec.height} × {spec.width} {spec.color} ({spec.resize}), found from a sample of "
        f"{len(sizes)} whose median is {height} × {width}; data.size=[height,width] changes it.",
    )


def _sample(request: ImageRequest, source: ImageSource, files: Sequence[str]) -> tuple[NDArray[np.int64], bool]:
    """Read the sample: sizes (n, 2) as height and width, and whether any of it is in colour."""
    probe = ImageSpec(
        1, 1, color="rgb", resize="stretch", kernel="nearest", antialias=True, background=0,
        value_range=request.value_range, max_pixels=request.max_pixels,
    )  # fmt: skip
    sizes: list[tuple[int, int]] = []
    colored, faults, last = False, list[UnreadableImageError](), ""
    for row in np.unique(np.linspace(0, len(source) - 1, min(SAMPLE, len(source))).astype(int)):
        try:
            image = source[row]
            size = upright_size(image, max_pixels=request.max_pixels)
            if not sizes or (request.color == "auto" and not colored):  # the first coloured image settles it
                pixels = np.asarray(decode_whole(image, probe).pixels)
                colored = bool((pixels != pixels[..., :1]).any())
            sizes.append(size)
        except UnreadableImageError as error:
            faults.append(error)
            last = files[row]
    if not sizes:
        raise DataError(_none_readable(faults, last))
    return np.array(sizes, np.int64), colored


def _none_readable(faults: list[UnreadableImageError], last: str) -> str:
    """Return the reason of the last image and its file, or what all of them lack: a value range."""
    unknown = [fault for fault in faults if isinstance(fault, UnknownRangeError)]
    if len(unknown) < len(faults) or not np.isfinite([(fault.low, fault.high) for fault in unknown]).all():
        return f"The images cannot be read; none of {len(faults)} tried could be. {last}: {faults[-1]}"
    low, high = min(fault.low for fault in unknown), max(fault.high for fault in unknown)
    black, white = _usual_range(low, high)
    return (
        f"The levels of the images must have a range that is known; they are {unknown[0].kind}, from {low:.9g} to "
        f"{high:.9g} in the {plural(len(unknown), 'image')} tried. Set those that are black and white: "
        f"data.value_range=[{black:.9g},{white:.9g}]"
    )


def _usual_range(low: float, high: float) -> tuple[float, float]:
    """Return the usual range that levels nearly fill, -1..1 for -0.98..0.95; their own where there is none."""
    fit = (one for one in _USUAL_RANGES if one[0] <= low and high <= one[1] and high - low > FILLED * (one[1] - one[0]))
    return next(fit, (low, high))


def _found_size(sizes: NDArray[np.int64]) -> tuple[int, int]:
    (height, width), count = Counter(map(tuple, sizes.tolist())).most_common(1)[0]
    if count >= AGREE * len(sizes) and max(height, width) <= LARGEST_SIDE:
        return max(height, SIDE_STEP), max(width, SIDE_STEP)
    shorter = float(np.median(sizes.min(axis=1)))
    side = min(max(int(shorter) // SIDE_STEP * SIDE_STEP, SIDE_STEP), LARGEST_SIDE)
    return side, side


def _found_resize(sizes: NDArray[np.int64]) -> str:
    aspect = sizes[:, 1] / sizes[:, 0]
    agreeing = np.abs(aspect / np.median(aspect) - 1) <= ASPECT_TOLERANCE
    return "stretch" if agreeing.mean() >= AGREE else "pad"
