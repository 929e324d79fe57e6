"""First weights of convolutions that are no random numbers: whitening of patches, and the identity.

Both are part of Jordan 2024 (arXiv:2404.00498). They are set in layers of Keras after these are built, so a saved file
knows nothing of them.
"""

import math

import keras
import numpy as np
from numpy.typing import NDArray

from cnnexp.models.names import SCALING_LAYER, WHITENING
from cnnexp.records import Images

MOST_IMAGES, MOST_PIXELS = 5_000, 2**23  # whose patches are looked at, of images of all sizes
_CHUNK = 64  # images at a time
_LEAST_VARIANCE = 5e-4  # added to that of every direction, of scaled pixels: what hardly varies is not blown up


def whiten(model: keras.Model, images: Images, rows: NDArray[np.int64]) -> None:
    """Fit the whitening convolution of a model to rows (N,) of images (M, H, W, C) uint8, or to some of them."""
    layer = model.get_layer(WHITENING)
    scaling = model.get_layer(SCALING_LAYER)
    scale, offset = np.asarray(scaling.scale, np.float32), np.asarray(scaling.offset, np.float32)
    side, _, channels, _ = layer.kernel.shape
    most = min(len(rows), MOST_IMAGES, max(1, MOST_PIXELS // math.prod(images.shape[1:3])))
    chosen = rows[np.linspace(0, len(rows) - 1, most).astype(np.int64)]
    moments = np.zeros((side * side * channels,) * 2)
    for start in range(0, most, _CHUNK):
        moments += second_moments(images[chosen[start : start + _CHUNK]] * scale + offset, side=side)
    layer.kernel.assign(whitening_kernel(moments / most, channels=channels))


def second_moments(images: NDArray[np.float32], *, side: int) -> NDArray[np.float64]:
    """Return the sum over images (N, H, W, C) of the mean over their patches of the products of two values, (D, D).

    A patch has D = side · side · C values, in the order of a kernel.
    """
    patches = np.lib.stride_tricks.sliding_window_view(images, (side, side), axis=(1, 2))
    ordered = np.moveaxis(patches, 3, -1).reshape(-1, side * side * images.shape[3])
    each = len(ordered) // len(images)
    sums: NDArray[np.float64] = (ordered.T @ ordered).astype(np.float64) / each
    return sums


def whitening_kernel(moments: NDArray[np.float64], *, channels: int) -> NDArray[np.float32]:
    """Return the kernel (side, side, C, 2 · D) that whitens patches with these mean products (D, D), and its negative.

    Its outputs have a mean square of about 1 and are uncorrelated, but for directions that hardly vary.
    """
    variances, directions = np.linalg.eigh(moments)
    filters = directions / np.sqrt(np.maximum(variances, 0) + _LEAST_VARIANCE)
    side = round(np.sqrt(len(moments) / channels))
    kernel: NDArray[np.float32] = np.concatenate([filters, -filters], axis=1).astype(np.float32)
    return kernel.reshape(side, side, channels, -1)


def begin_as_identity(convolution: keras.layers.Conv2D) -> None:
    """Let filter i of a convolution hand channel i on, of as many as there are both; other filters stay."""
    kernel = np.array(convolution.kernel)
    both = np.arange(min(kernel.shape[2:]))
    kernel[..., both] = 0
    kernel[kernel.shape[0] // 2, kernel.shape[1] // 2, both, both] = 1
    convolution.kernel.assign(kernel)
