"""Mixup (Zhang et al. 2018, arXiv:1710.09412) and CutMix (Yun et al. 2019, arXiv:1905.04899): two images in one.

Each image of a batch is mixed with the one before it, whose order is random anyway. It keeps at least half: which of a
pair is called the first makes no difference on average (Berthelot et al. 2019, arXiv:1905.02249), and the label that
counts for the training accuracy is then the image's own.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.augmentation.geometry import Size
from cnnexp.augmentation.streams import MIXING, Batch
from cnnexp.records import Augmentation, Images, Labels


@dataclass(frozen=True, slots=True)
class Mixing:
    """How each image is mixed with another one."""

    shares: NDArray[np.float32]  # (n,) that the image keeps, 0.5..1
    boxes: NDArray[np.int64]  # (n, 4) top, bottom, left, right of what the other one covers; of no area: blended

    def take(self, places: NDArray[np.int64]) -> "Mixing":
        """Return the mixing of some of the images."""
        return Mixing(self.shares[places], self.boxes[places])


def draw_mixing(augmentation: Augmentation, batch: Batch, size: Size) -> Mixing | None:
    """Draw how each image of a batch is mixed; with both rules on, each image follows one of them; None: not at all."""
    if not augmentation.mixes:
        return None
    random = batch.random(MIXING)
    blended = _shares(random, augmentation.mixup, batch.count)
    boxes = _boxes(random, 1 - _shares(random, augmentation.cutmix, batch.count), size)
    cut = random.random(batch.count) < (0.5 if augmentation.mixup else 1) * bool(augmentation.cutmix)
    boxes[~cut] = 0
    covered = (boxes[:, 1] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 2]) / (size[0] * size[1])
    return Mixing(np.where(cut, 1 - covered, blended).astype(np.float32), boxes)


def _shares(random: np.random.Generator, alpha: float, count: int) -> NDArray[np.float64]:
    shares = random.beta(alpha, alpha, count) if alpha else np.ones(count)
    return np.maximum(shares, 1 - shares)


def _boxes(random: np.random.Generator, areas: NDArray[np.float64], size: Size) -> NDArray[np.int64]:
    """Return boxes (n, 4) of `areas`, each at most half of the image, anywhere within it."""
    sides = np.floor(np.sqrt(areas)[:, None] * size).astype(np.int64)
    first = np.floor(random.random(sides.shape) * (np.array(size) - sides + 1)).astype(np.int64)
    return np.stack([first[:, 0], first[:, 0] + sides[:, 0], first[:, 1], first[:, 1] + sides[:, 1]], axis=1)


def partners(count: int) -> NDArray[np.int64]:
    """Return for each image of a batch the place of the one it is mixed with: (n,)."""
    return (np.arange(count) - 1) % count


def mixed(images: Images, others: Images, mixing: Mixing) -> Images:
    """Return images (n, H, W, C) mixed with `others`, which are augmented like them."""
    result = images.copy()
    for place, (top, bottom, left, right) in enumerate(mixing.boxes.tolist()):
        if bottom > top and right > left:
            result[place, top:bottom, left:right] = others[place, top:bottom, left:right]
        elif (share := mixing.shares[place]) < 1:
            result[place] = images[place] * share + others[place] * (1 - share) + np.float32(0.5)
    return result


def mixed_labels(labels: Labels, mixing: Mixing) -> NDArray[np.float32]:
    """Return the mixed labels of a batch (n, 3): the label of the image, that of the other one, the image's share."""
    return np.stack([labels, labels[partners(len(labels))], mixing.shares], axis=1).astype(np.float32)
