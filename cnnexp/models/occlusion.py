"""Which parts of an image speak for a class, without gradients: cover a part and look how the answer changes.

Occlusion sensitivity (Zeiler & Fergus 2014, arXiv:1311.2901) with overlapping squares in the mean colour of the image.
It needs the forward pass alone, so it serves networks of any kind and models that have no gradients, such as ONNX
files; it costs some 80 forward passes an image. The same image gives the same numbers.
"""

from collections.abc import Callable
from itertools import product

import numpy as np
from numpy.typing import NDArray

_PARTS = 4  # squares side by side along the shorter side of the image; half as far apart as they are wide
_CHUNK = 64  # images that go through the network together
_SMALLEST = np.finfo(np.float32).tiny  # stands for a probability that has underflowed to 0

Predict = Callable[[NDArray[np.uint8]], NDArray[np.float32]]  # (N, H, W, C) -> probabilities (N, K)


def occlusion_heat(predict: Predict, pixels: NDArray[np.uint8], labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return (N, H, W) how much each position of images (N, H, W, C) speaks for the class of each, (N,); 0 or more.

    A position has the mean of what the squares over it take from the score of the class: the logarithm of its
    probability less the mean over all classes, which is the logit less the mean of the logits.
    """
    return np.stack([_heat(predict, image, int(label)) for image, label in zip(pixels, labels, strict=True)])


def _heat(predict: Predict, image: NDArray[np.uint8], label: int) -> NDArray[np.float32]:
    squares = list(_squares(*image.shape[:2]))
    scores = np.concatenate(
        [
            _scores(predict(np.stack([_covered(image, square) for square in chunk])), label)
            for chunk in ([None, *squares][start : start + _CHUNK] for start in range(0, len(squares) + 1, _CHUNK))
        ]
    )
    total, count = np.zeros((2, *image.shape[:2]))
    for square, loss in zip(squares, scores[0] - scores[1:], strict=True):
        total[square] += loss
        count[square] += 1
    heat: NDArray[np.float32] = np.maximum(total / count, 0).astype(np.float32)
    return heat


def _squares(height: int, width: int) -> list[tuple[slice, slice]]:
    """Return overlapping squares that cover the image; those at its borders are cut off."""
    half = max(1, round(min(height, width) / _PARTS / 2))
    rows, columns = (range(0, side + half, half) for side in (height, width))
    squares = [
        (slice(max(0, y - half), y + half), slice(max(0, x - half), x + half)) for y, x in product(rows, columns)
    ]
    return [(y, x) for y, x in squares if y.start < height and x.start < width]


def _covered(image: NDArray[np.uint8], square: tuple[slice, slice] | None) -> NDArray[np.uint8]:
    if square is None:
        return image
    covered = image.copy()
    covered[square] = np.rint(image.mean(axis=(0, 1))).astype(np.uint8)
    return covered


def _scores(probabilities: NDArray[np.float32], label: int) -> NDArray[np.float64]:
    logarithms = np.log(np.maximum(probabilities.astype(np.float64), _SMALLEST))
    scores: NDArray[np.float64] = logarithms[:, label] - logarithms.mean(axis=1)
    return scores
