"""The changes of a user's own, made after the others and before images are mixed."""

import numpy as np

from cnnexp.augmentation.streams import OWN, Batch
from cnnexp.records import Images, OwnChange


def changed_by_user(images: Images, own: OwnChange | None, batch: Batch) -> Images:
    """Return images (B, H, W, C) as the user's function changes them, with random numbers of their batch.

    Raises:
        ExtensionError: The function failed, or returned other images than uint8 of the same shape.

    """
    if own is None:
        return images
    given = own.call(images.copy(), batch.random(OWN))
    if not isinstance(given, np.ndarray) or given.dtype != np.uint8 or given.shape != images.shape:
        found = f"{given.dtype} {given.shape}" if isinstance(given, np.ndarray) else type(given).__name__
        raise own.refusal(
            f"its function must return uint8 images of the shape that it got, {images.shape}; got {found}."
        )
    return np.ascontiguousarray(given)
