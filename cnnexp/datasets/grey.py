"""Grey levels of many images at once, and how sharp they are."""

import numpy as np
from numpy.typing import NDArray

from cnnexp.records import Images

Grey = NDArray[np.float32]  # (n, H, W), 0..255


def grey_levels(images: Images) -> Grey:
    """Average the channels."""
    levels: Grey = images[..., 0].astype(np.float32)
    for channel in range(1, images.shape[3]):  # far quicker than .mean(axis=3)
        levels += images[..., channel]
    levels /= images.shape[3]
    return levels


def laplacian(grey: Grey) -> NDArray[np.float32]:
    """Mean absolute difference between a pixel and its four neighbours, without the border; small where blurred."""
    inner = 4 * grey[:, 1:-1, 1:-1]
    inner -= grey[:, :-2, 1:-1]
    inner -= grey[:, 2:, 1:-1]
    inner -= grey[:, 1:-1, :-2]
    inner -= grey[:, 1:-1, 2:]
    sharpness: NDArray[np.float32] = np.abs(inner, out=inner).mean(axis=(1, 2)) / 4
    return sharpness
