"""All changes of a batch but mixing: drawn together, made for any of its images."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.augmentation.color import Factors, draw_factors, recolored
from cnnexp.augmentation.erasing import Rectangles, draw_rectangles, erase
from cnnexp.augmentation.geometry import Maps, Size, composed, draw_maps
from cnnexp.augmentation.policy import Operations, apply_pixelwise, draw_operations, policy_maps, scale_factors
from cnnexp.augmentation.resampling import images_of, planes_of, resampled
from cnnexp.augmentation.streams import Batch
from cnnexp.records import Augmentation, Images

_CHUNK = 2**16  # pixels that are changed together: their planes stay in the processor's second cache


@dataclass(frozen=True, slots=True)
class Changes:
    """The changes of each image of a batch; None: no such change."""

    maps: Maps | None
    factors: Factors | None
    operations: Operations | None
    rectangles: Rectangles | None

    def take(self, places: NDArray[np.int64]) -> "Changes":
        """Return the changes of some of the images."""
        return Changes(
            None if self.maps is None else self.maps[places],
            None if self.factors is None else self.factors.take(places),
            None if self.operations is None else self.operations.take(places),
            None if self.rectangles is None else self.rectangles.take(places),
        )


def draw_changes(augmentation: Augmentation, batch: Batch, *, source: Size, size: Size, channels: int) -> Changes:
    """Draw the changes of a batch whose images are of size `source` and become images of `size`."""
    maps = draw_maps(augmentation, batch, source=source, size=size)
    factors = draw_factors(augmentation, batch)
    operations = draw_operations(augmentation, batch, channels=channels)
    if operations is not None:
        moved = [policy_maps(operations, size, jitter=augmentation.policy_jitter)] if augmentation.policy_jitter else []
        maps = composed([*moved, *([] if maps is None else [maps])])
        factors = Factors.unchanged(batch.count) if factors is None else factors
        scale_factors(operations, factors)
    return Changes(maps, factors, operations, draw_rectangles(augmentation, batch, size))


def augmented(images: Images, changes: Changes, size: Size) -> Images:
    """Return images (n, H, W, C) with their changes made, (n, *size, C)."""
    result = np.empty((len(images), *size, images.shape[-1]), np.uint8)
    step = max(1, _CHUNK // (size[0] * size[1]))
    for start in range(0, len(images), step):
        places = np.arange(start, min(start + step, len(images)))
        result[places] = _changed(images[places], changes.take(places), size)
    return result


def _changed(images: Images, changes: Changes, size: Size) -> Images:
    if changes.maps is not None or changes.factors is not None:
        planes = planes_of(images) if changes.maps is None else resampled(images, changes.maps, size)
        images = images_of(planes if changes.factors is None else recolored(planes, changes.factors), size)
    else:
        images = images.copy()
    if changes.operations is not None:
        apply_pixelwise(images, changes.operations)
    if changes.rectangles is not None:
        erase(images, changes.rectangles)
    return images
