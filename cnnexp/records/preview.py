"""What a person sees of augmentation without training."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.records.arrays import Images
from cnnexp.records.training import Augmentation


@dataclass(frozen=True, kw_only=True, slots=True)
class Preview:
    """Some training images, as they are and after each kind of change."""

    plain: Images  # (n, H, W, C)
    class_names: tuple[str, ...]  # (n,) of each image
    files: tuple[str, ...]  # (n,)
    augmentation: Augmentation
    alone: tuple[tuple[str, NDArray[np.uint8]], ...]  # name of a kind, and the images in some epochs: (e, n, H, W, C)
    together: NDArray[np.uint8] | None  # (e, n, H, W, C); None: nothing changes
