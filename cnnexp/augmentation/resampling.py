"""Images read at the places that maps name: bilinear, edges repeated, as planes of float32.

The numbers are bit for bit those of TensorFlow's ``ImageProjectiveTransformV3``, which trained the first recorded runs:
single precision, the same order of operations. Half of its time, because the places and weights of a pixel are computed
once for all channels.
"""

import numpy as np
from numpy.typing import NDArray

from cnnexp.augmentation.geometry import Maps, Size
from cnnexp.records import Images

Planes = NDArray[np.float32]  # (n, C, H × W), 0..255


def planes_of(images: Images) -> Planes:
    """Return the planes of images (n, H, W, C)."""
    count, height, width, channels = images.shape
    return images.transpose(0, 3, 1, 2).astype(np.float32).reshape(count, channels, height * width)


def images_of(planes: Planes, size: Size) -> Images:
    """Return planes as images (n, H, W, C); values are within 0..255, their fractions are dropped."""
    count, channels, _ = planes.shape
    images = np.empty((count, *size, channels), np.uint8)
    for channel in range(channels):
        images[..., channel] = planes[:, channel].reshape(count, *size)
    return images


def resampled(images: Images, maps: Maps, size: Size) -> Planes:
    """Return the planes of images (n, H, W, C) as `maps` (n, 2, 3) read them for output of `size`."""
    count, height, width, channels = images.shape
    x, y = _places(maps, size)
    left, right, column = _between(x, width)
    above, below, row = _between(y, height)
    stride = width + 1
    index = row * stride + column + np.arange(count, dtype=np.int32)[:, None, None] * ((height + 1) * stride)
    index = index.reshape(-1).astype(np.intp)
    padded = _padded(images)
    planes = np.empty((count, channels, size[0] * size[1]), np.float32)
    value, other, part = np.empty((3, index.size), np.float32)
    for channel in range(channels):
        plane = padded[channel]
        _between_two(plane, index, left, right, out=value, scratch=part)
        _between_two(plane[stride:], index, left, right, out=other, scratch=part)
        value *= above
        other *= below
        value += other
        planes[:, channel] = value.reshape(count, -1)
    return planes


def _places(maps: Maps, size: Size) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the x and y (n, H, W) that each output pixel reads."""
    rows, columns = np.arange(size[0], dtype=np.float32)[:, None], np.arange(size[1], dtype=np.float32)
    steps = maps.astype(np.float32)[:, :, :, None, None]
    x, y = (steps[:, axis, 0] * columns + steps[:, axis, 1] * rows for axis in (0, 1))
    x += steps[:, 0, 2]
    y += steps[:, 1, 2]
    return x, y


def _between(
    places: NDArray[np.float32], length: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]:
    """Return the weights of the pixels before and after each place, and the number of the one before."""
    places = places.clip(0, length - 1, out=places)
    before = places.astype(np.int32)
    whole = before.astype(np.float32)
    after = places - whole
    whole += 1
    return np.subtract(whole, places, out=whole).reshape(-1), after.reshape(-1), before


def _padded(images: Images) -> NDArray[np.float32]:
    """Return each channel of images (n, H, W, C) as one row, last lines and columns twice: all have a neighbour."""
    count, height, width, channels = images.shape
    padded = np.empty((channels, count, height + 1, width + 1), np.float32)
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
    scratch: NDArray[np.float32],
) -> None:
    """Write the weighted sum of the values at `index` and of those after them; clipping saves NumPy a copy."""
    np.take(line, index, out=out, mode="clip")
    np.take(line[1:], index, out=scratch, mode="clip")
    out *= left
    scratch *= right
    out += scratch
