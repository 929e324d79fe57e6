"""Changes of images that faults are made of. Nothing here is shared with what finds the faults."""

import numpy as np
from numpy.typing import NDArray

Random = np.random.Generator
WHITE = 255


def some(count: int, share: float, random: Random) -> NDArray[np.int64]:
    return np.sort(random.permutation(count)[: round(share * count)])


def levels(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    return np.clip(np.rint(values), 0, WHITE).astype(np.uint8)


def gamma(images: NDArray[np.uint8], exponent: float) -> NDArray[np.uint8]:
    return levels(WHITE * (images / WHITE) ** exponent)


def box_blur(image: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    from scipy.ndimage import uniform_filter

    return levels(uniform_filter(image.astype(np.float64), (size, size, 1)))


def centre(images: NDArray[np.uint8], share: float) -> NDArray[np.uint8]:
    kept = [round(share * side) for side in images.shape[1:3]]
    top, left = ((side - size) // 2 for side, size in zip(images.shape[1:3], kept, strict=True))
    return images[:, top : top + kept[0], left : left + kept[1]]


def resized(images: NDArray[np.uint8], shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """Enlarge by the nearest pixel."""
    rows, columns = (
        np.minimum((np.arange(side) * have) // side, have - 1)
        for side, have in zip(shape, images.shape[1:3], strict=True)
    )
    return images[:, rows][:, :, columns]
