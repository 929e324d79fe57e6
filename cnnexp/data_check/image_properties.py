"""The properties of single images that are compared, and which images are near duplicates; computed once per data set.

Each property has a scale on which equal steps look equally large.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.data_check.near_duplicates import Grey, NearDuplicateSearch, grey_levels, strata
from cnnexp.datasets.cache.entry import DecodedDataset
from cnnexp.datasets.cache.kept_arrays import Arrays
from cnnexp.datasets.decoding.decode import Headers
from cnnexp.datasets.decoding.level_ranges import are_coarse
from cnnexp.records import Images

BATCH = 1024  # images measured together
# An image of one colour: its levels differ by no more, which noise of one level in a hundred thousand pixels does not
# exceed. All such images have next to no sharpness, so that only these are looked at.
OF_ONE_COLOUR, LEAST_SHARP = 8, 2.0  # levels, of 0..255

Rows = NDArray[np.int64]
Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ImageProperties:
    """Properties of each image, and the pairs of near duplicates."""

    headers: Headers  # (N,) own size and colour mode
    brightness: NDArray[np.float32]  # (N,) mean grey level, 0..255, of the image as the network sees it
    sharpness: NDArray[np.float32]  # (N,) mean absolute Laplacian of it, grey levels
    near_duplicates: Rows  # (M, 2) rows of two images that are nearly, not exactly, the same; the lower one first
    similarity: NDArray[np.float32]  # (M,) correlation of their pixels
    empty: NDArray[np.bool_]  # (N,) an image is of one colour

    @classmethod
    def of(cls, dataset: DecodedDataset) -> "ImageProperties":
        """Return those of a data set, which are computed on first use and kept beside it."""
        arrays = dataset.keep("measures", lambda: _measure(dataset))
        return cls(
            headers=arrays["headers"],
            brightness=arrays["brightness"],
            sharpness=arrays["sharpness"],
            near_duplicates=arrays["twins"],
            similarity=arrays["likeness"],
            empty=dataset.keep("empty", lambda: {"empty": _empty(dataset, arrays["sharpness"])})["empty"],
        )

    def color_modes(self, rows: Rows) -> NDArray[np.str_]:
        """Return the colour mode of each file, as Pillow names it."""
        return self.headers["mode"][rows].astype(str)


def _measure(dataset: DecodedDataset) -> Arrays:
    """Compute all properties in one pass over the pixels, a batch at a time, under the names they are kept by."""
    images = dataset.images
    distinct = dataset.duplicate_of == np.arange(len(images))  # only the first of equal images is compared with others
    distinct[list(dataset.unreadable)] = False
    distinct &= ~are_coarse(dataset.headers)
    search = NearDuplicateSearch(images, np.flatnonzero(distinct), strata(dataset.manifest.labels))
    brightness = np.zeros(len(images), np.float32)
    sharpness = np.zeros(len(images), np.float32)
    for start, grey in _batches(images):
        stop = start + len(grey)
        brightness[start:stop] = grey.mean(axis=(1, 2))
        sharpness[start:stop] = _laplacian(grey)
        search.add(start, grey)
    pairs, similarity = search.pairs()
    return {
        "headers": dataset.headers,
        "brightness": brightness,
        "sharpness": sharpness,
        "twins": pairs,
        "likeness": similarity,
    }


def _empty(dataset: DecodedDataset, sharpness: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return (N,) whether an image that could be read is of one colour; one of few levels of many bits may be not."""
    empty = (sharpness < LEAST_SHARP) & ~are_coarse(dataset.headers)
    empty[list(dataset.unreadable)] = False
    for row in np.flatnonzero(empty):
        levels = dataset.images[row].reshape(-1, dataset.images.shape[-1]).astype(int)
        empty[row] = np.ptp(levels, axis=0).max() <= OF_ONE_COLOUR
    return empty


def _batches(images: Images) -> Iterator[tuple[int, Grey]]:
    for start in range(0, len(images), BATCH):
        yield start, grey_levels(images[start : start + BATCH])


def _laplacian(grey: Grey) -> NDArray[np.float32]:
    """Mean absolute difference between a pixel and its four neighbours, without the border; small where blurred."""
    inner = 4 * grey[:, 1:-1, 1:-1]
    inner -= grey[:, :-2, 1:-1]
    inner -= grey[:, 2:, 1:-1]
    inner -= grey[:, 1:-1, :-2]
    inner -= grey[:, 1:-1, 2:]
    sharpness: NDArray[np.float32] = np.abs(inner, out=inner).mean(axis=(1, 2)) / 4
    return sharpness


@dataclass(frozen=True, slots=True)
class Property:
    """One number of each image."""

    name: str
    values: Callable[[ImageProperties], Values]
    step: float  # the smallest difference that counts; values closer than this are treated as equal
    shown: Callable[[ImageProperties, int], str]  # of one image


def _size(properties: ImageProperties) -> Values:
    area = properties.headers["height"].astype(float) * properties.headers["width"]
    return np.asarray(np.log2(np.maximum(area, 1)) / 2)


def _aspect_ratio(properties: ImageProperties) -> Values:
    width, height = (np.maximum(properties.headers[side], 1) for side in ("width", "height"))
    return np.asarray(np.log2(width / height))


def _sharpness(properties: ImageProperties) -> Values:
    return np.log2(np.maximum(properties.sharpness, 0.5)).astype(float)  # below half a grey level nothing is visible


def _brightness(properties: ImageProperties) -> Values:
    return properties.brightness.astype(float)


def _pixels(properties: ImageProperties, row: int) -> str:
    header = properties.headers[row]
    return f"{header['width']} × {header['height']} pixels"


PROPERTIES = (
    Property("size", _size, 0.1, _pixels),  # log2 of the side of a square of the same area: steps of 7 %
    Property("aspect ratio", _aspect_ratio, 0.05, _pixels),  # log2: steps of 3.5 %
    Property("brightness", _brightness, 1.0, lambda p, row: f"brightness {p.brightness[row]:.0f}"),  # grey levels
    Property("sharpness", _sharpness, 0.1, lambda p, row: f"sharpness {p.sharpness[row]:.3g}"),  # log2: steps of 7 %
)
