"""Whether an answer stays when an image changes as little as two photographs of one thing differ."""

from collections.abc import Callable

import numpy as np

from cnnexp.diagnosis.image import changes as t
from cnnexp.records import Images, Labels

# Shifts of 1 and 2 pixels, and 5 % of brightness: what training images vary by, too.
SMALL_CHANGES = (
    *(t.shift(y, x) for y, x in ((1, 0), (-1, 0), (0, 1), (0, -1), (2, 0), (0, 2))),
    t.affine(1.05, 0),
    t.affine(0.95, 0),
)


def stability(images: Images, answer: Callable[[Images], Labels]) -> list[float]:
    """Return for each of N images the share of small changes, 0..1, under which the answer stays the same."""
    generator = np.random.default_rng(0)
    before = answer(images)
    same = np.stack([answer(change(images, generator)) == before for change in SMALL_CHANGES])
    return [float(share) for share in same.mean(axis=0)]
