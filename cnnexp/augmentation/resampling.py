"""Images read at the places that maps name: bilinear, edges repeated, as planes of float32.

The numbers are bit for bit those of TensorFlow's ``ImageProjectiveTransformV3``, which trained the first recorded runs:
single precision, the same order of operations. Half of its time, because the places and weights of a pixel are computed
once for all channels.
"""

import numpy as np
from numpy.typing import NDArray

from cnnexp.augmentation.geometry import Maps, Size
from cnnexp.augmentation.scratch import scratch
from cnnexp.records import Images

Planes = NDArray[np.float32]  # (n, C, H × W), 0..255


def planes_of(images: Images) -> Planes:
    """Return the planes of images (n, H, W, C), in memory that the next call uses again."""
    count, height, width, channels = images.shape
    planes: Planes = scratch("planes", (count, channels, height * width))
    for channel in range(channels):
        planes[:, channel] = images[..., channel].reshape(count, -1)
    return planes


def images_of(planes: Planes, size: Size) -> Images:
    """Return planes as images (n, H, W, C); values are within 0..255, their fractions are dropped."""
    count, channels, _ = planes.shape
    images = np.empty((count, *size, channels), np.uint8)
    for channel in range(channels):
        images[..., channel] = planes[:, channel].reshape(count, *size)
    return images


def resampled(images: Images, maps: Maps, size: Size) -> Planes:
    """Return the planes of images (n, H, W, C) as `maps` (n, 2, 3) read them for output of `size`.

    They are in memory that the next call uses again.
    """
    count, height, width, channels = images.shape
    x, y = (_places(maps[:, axis], size, name) for axis, name in enumerate("xy"))
    left, right, column = _between(x, width, "x")
    above, below, row = _between(y, height, "y")
    padded, index = _padded(images), _index(row, column, height=height, width=width)
    planes: Planes = scratch("planes", (count, channels, size[0] * size[1]))
    value, other, part = (scratch(name, (index.size,)) for name in ("value", "other", "part"))
    for channel in range(channels):
        plane = padded[channel]
        _between_two(plane, index, left, right, out=value, part=part)
        _between_two(plane[width + 1 :], index, left, right, out=other, part=part)
        value *= above
        other *= below
        np.add(value.reshape(count, -1), other.reshape(count, -1), out=planes[:, channel])
    return planes


def _places(maps: NDArray[np.float64], size: Size, name: str) -> NDArray[np.float32]:
    """Return the x or y (n, H, W) that each output pixel reads; `maps` are one row (n, 3) of each map."""
    rows, columns = np.arange(size[0], dtype=np.float32)[:, None], np.arange(size[1], dtype=np.float32)
    steps = maps.astype(np.float32)[:, :, None, None]
    places: NDArray[np.float32] = scratch(f"places {name}", (len(maps), *size))
    np.multiply(steps[:, 0], columns, out=places)
    places += steps[:, 1] * rows
    places += steps[:, 2]
    return places


def _between(
    places: NDArray[np.float32], length: int, name: str
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]:
    """Return the weights of the pixels before and after each place, and the number of the one before."""
    np.clip(places, 0, length - 1, out=places)
    number = scratch(f"number {name}", places.shape, np.int32)
    before, after = (scratch(f"{which} {name}", places.shape) for which in ("before", "after"))
    np.copyto(number, places, casting="unsafe")
    np.copyto(before, number, casting="unsafe")
    np.subtract(places, before, out=after)
    before += 1
    before -= places
    return before.reshape(-1), after.reshape(-1), number


def _index(row: NDArray[np.int32], column: NDArray[np.int32], *, height: int, width: int) -> NDArray[np.intp]:
    """Return the place of each pixel in the rows of `_padded`."""
    index: NDArray[np.intp] = scratch("index", row.shape, np.intp)
    np.multiply(row, width + 1, out=index, dtype=np.intp)
    index += column
    index += (np.arange(len(row)) * ((height + 1) * (width + 1)))[:, None, None]
    return index.reshape(-1)


def _padded(images: Images) -> NDArray[np.float32]:
    """Return each channel of images (n, H, W, C) as one row, last lines and columns twice: all have a neighbour."""
    count, height, width, channels = images.shape
    padded: NDArray[np.float32] = scratch("padded", (channels, count, height + 1, width + 1))
    padded[:, :, :height, :width] = images.transpose(3, 0, 1, 2)
    padded[:, :, height] = padded[:, :, height - 1]
    padded[:, :, :, width] = padded[:, :, :, width - 1]
    return padded.reshape(channels, -1)


def _between_two(
    line: NDArray[np.float32],
    index: NDArray[np.intp],
    left: NDArray[np.float32],
    right: NDArray[np.float32],
    *,
    out: NDArray[np.float32],
    part: NDArray[np.float32],
) -> None:
    """Write the weighted sum of the values at `index` and of those after them; clipping saves NumPy a copy."""
    np.take(line, index, out=out, mode="clip")
    np.take(line[1:], index, out=part, mode="clip")
    out *= left
    part *= right
    out += part
