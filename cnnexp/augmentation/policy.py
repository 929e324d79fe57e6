"""TrivialAugment (Müller and Hutter 2021, arXiv:2103.10158) and RandAugment (Cubuk et al. 2020, arXiv:1909.13719).

Both choose among the same operations, with the ranges of RandAugment. Geometric ones go only as far as the data allow:
where the papers shear by 0.3, rotate by 30 degrees and translate by half of the image, here no pixel on the edge of the
inscribed circle moves farther than `policy_jitter` × side, which is data.jitter unless set.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.augmentation.color import Factors
from cnnexp.augmentation.geometry import Maps, Size, about_center, rotations
from cnnexp.augmentation.pixelwise import PIXELWISE, pixelwise
from cnnexp.augmentation.streams import POLICY, Batch
from cnnexp.records import Augmentation, Images

GEOMETRIC = ("shear_x", "shear_y", "translate_x", "translate_y", "rotate")
COLORED = ("brightness", "contrast", "saturation")
STRONGEST = 10  # magnitude
_FACTOR = 0.9  # of brightness, contrast and saturation: at most 1 ± this


@dataclass(frozen=True, slots=True)
class Operations:
    """The operations of each image: what they are, and how strong."""

    names: NDArray[np.str_]  # (n, operations); "identity" among them
    strengths: NDArray[np.float64]  # (n, operations), -1..1

    def take(self, places: NDArray[np.int64]) -> "Operations":
        """Return the operations of some of the images."""
        return Operations(self.names[places], self.strengths[places])

    def strength_of(self, name: str) -> NDArray[np.float64]:
        """Return the summed strength (n,) of one operation; 0 for an image that does not have it."""
        return np.asarray(np.where(self.names == name, self.strengths, 0).sum(axis=1))

    def factor_of(self, name: str) -> NDArray[np.float64]:
        """Return the factor (n,) of one operation of colours, never negative; 1 for an image that does not have it."""
        return np.asarray(np.where(self.names == name, 1 + _FACTOR * self.strengths, 1).prod(axis=1))


def draw_operations(augmentation: Augmentation, batch: Batch, *, channels: int) -> Operations | None:
    """Draw the operations of each image; None where there is no policy."""
    if augmentation.policy == "none":
        return None
    random = batch.random(POLICY)
    trivial = augmentation.policy == "trivial_augment"
    shape = (batch.count, 1 if trivial else augmentation.operations)
    names = random.choice(np.array(available(augmentation.policy_jitter, channels)), shape)
    sizes = random.random(shape) if trivial else np.full(shape, augmentation.magnitude / STRONGEST)
    return Operations(names, sizes * random.choice([-1, 1], shape))


def available(jitter: float, channels: int) -> tuple[str, ...]:
    """Return the names of the operations for images that may move by `jitter` × side."""
    colored = COLORED if channels == 3 else COLORED[:-1]  # grey images have no saturation
    return ("identity", *(GEOMETRIC if jitter else ()), *colored, *PIXELWISE)


def policy_maps(operations: Operations, size: Size, *, jitter: float) -> Maps:
    """Return the geometric operations of each image as one map, of output pixels to input pixels."""
    shear_x, shear_y, right, down, turn = (operations.strength_of(name) * jitter for name in GEOMETRIC)
    sheared = np.repeat(np.eye(2)[None], len(turn), axis=0)
    sheared[:, 0, 1], sheared[:, 1, 0] = 2 * shear_x, 2 * shear_y
    maps = about_center(rotations(2 * turn) @ sheared, size)
    maps[:, 0, 2] += right * size[1]
    maps[:, 1, 2] += down * size[0]
    return maps


def scale_factors(operations: Operations, factors: Factors) -> None:
    """Multiply the factors of each image by those of its operations."""
    factors.brightness *= operations.factor_of("brightness")
    factors.contrast *= operations.factor_of("contrast")
    factors.saturation *= operations.factor_of("saturation")


def apply_pixelwise(images: Images, operations: Operations) -> None:
    """Change images (n, H, W, C) in place by the operations that are no map and no matrix."""
    for place, column in np.argwhere(np.isin(operations.names, PIXELWISE)).tolist():
        name, strength = str(operations.names[place, column]), float(operations.strengths[place, column])
        images[place] = pixelwise(images[place], name, strength)
