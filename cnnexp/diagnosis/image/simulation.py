"""Every kind of mismatch, simulated on images that no weight was trained on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.diagnosis.image.kinds import CLEAN, Kind
from cnnexp.records import Images

PIXELS = 60_000_000  # simulated in all: 15 s on two cores for the reference network, half a minute for a backbone
MOST, FEWEST = 100, 12  # images for each form; half as many where a kind has more than FEW_FORMS
FEW_FORMS = 4
BATCH = 4  # images that are changed by the same strength

Values = NDArray[np.float32]
Describe = Callable[[Images], Values]  # images (N, H, W, C) -> numbers of pixels and features (N, D)


@dataclass(frozen=True, slots=True)
class Simulated:
    """Described images, clean and changed."""

    values: Values  # (R, D)
    forms: NDArray[np.int64]  # (R,) which way each was changed; 0: not at all
    sources: NDArray[np.int64]  # (R,) which image it was made of
    names: tuple[str, ...]  # of the kind of each form; several forms have one name


def simulate(images: Images, kinds: Sequence[Kind], describe: Describe, *, seed: int) -> Simulated:
    """Describe images (n, H, W, C), and some of them changed in each form of each kind."""
    generator = np.random.default_rng(seed)
    forms = [(form, MOST if len(kind.forms) <= FEW_FORMS else MOST // 2) for kind in kinds for form in kind.forms]
    affordable = max(FEWEST, PIXELS // (images.shape[1] * images.shape[2] * len(forms)))
    values, labels, sources = [describe(images)], [np.zeros(len(images), np.int64)], [np.arange(len(images))]
    for number, (form, most) in enumerate(forms, start=1):
        count = min(len(images), most, affordable)
        chosen = generator.permutation(len(images))[:count]
        batches = np.array_split(images[chosen], -(-count // BATCH))
        values.append(describe(np.concatenate([form(batch, generator) for batch in batches])))
        labels.append(np.full(count, number))
        sources.append(chosen)
    return Simulated(
        values=np.concatenate(values),
        forms=np.concatenate(labels),
        sources=np.concatenate(sources),
        names=(CLEAN, *(kind.name for kind in kinds for _ in kind.forms)),
    )
