"""Every kind of mismatch, simulated on images that no weight was trained on."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cnnexp.diagnosis.image.kinds import Kind
from cnnexp.diagnosis.image.orbit import CLEAN, views_for
from cnnexp.diagnosis.image.restore import RESTORES, Usual
from cnnexp.records import Images

PIXELS = 60_000_000  # simulated of views, and of all others: 15 s on two cores for the reference network
MOST, FEWEST = 100, 12  # images for each form; half as many where a kind has more than FEW_FORMS
FEWEST_VIEWED = 100  # images of which all views are described: what is ordinary is known by these
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
    views: NDArray[np.int64]  # (V, n) rows that are the views of n images; the first are the images as they are
    restored: Values  # (Q, D) half of them described again, with their kind undone
    restored_rows: NDArray[np.int64]  # (Q,) which of the R these are


def simulate(images: Images, kinds: Sequence[Kind], describe: Describe, *, seed: int) -> Simulated:
    """Describe images (n, H, W, C), all views of them, and some of them changed in each other form of each kind."""
    generator, usual = np.random.default_rng(seed), Usual.of(images)
    views, room = views_for(images.shape[-1]), PIXELS // (images.shape[1] * images.shape[2])
    others = [kind for kind in kinds if kind.name not in views]
    affordable = max(FEWEST, room // max(1, sum(len(kind.forms) for kind in others)))
    viewed = np.sort(generator.permutation(len(images))[: max(FEWEST_VIEWED, room // len(views))])
    seen = [describe(view(images[viewed], generator)) for name, view in views.items() if name != CLEAN]
    values, sources = [describe(images), *seen], [np.arange(len(images)), *([viewed] * len(seen))]
    restored: list[Values] = []
    restored_rows: list[NDArray[np.int64]] = []
    for kind in others:
        most = MOST if len(kind.forms) <= FEW_FORMS else MOST // 2
        for form in kind.forms:
            chosen = generator.permutation(len(images))[: min(most, affordable)]
            batches = np.array_split(images[chosen], -(-len(chosen) // BATCH))
            changed = np.concatenate([form(batch, generator) for batch in batches])
            if kind.name in RESTORES:
                half = changed[: -(-len(changed) // 2)]
                restored.append(describe(RESTORES[kind.name](half, usual)))
                restored_rows.append(sum(map(len, values)) + np.arange(len(half)))
            values.append(describe(changed))
            sources.append(chosen)
    starts = len(images) + len(viewed) * np.arange(len(seen))
    return Simulated(
        values=np.concatenate(values),
        forms=np.repeat(np.arange(len(values)), [len(part) for part in sources]),
        sources=np.concatenate(sources),
        names=(*views, *(kind.name for kind in others for _ in kind.forms)),
        views=np.stack([viewed, *(start + np.arange(len(viewed)) for start in starts)]),
        restored=np.concatenate(restored) if restored else np.empty((0, values[0].shape[1]), np.float32),
        restored_rows=np.concatenate(restored_rows) if restored_rows else np.empty(0, np.int64),
    )


def described_views(images: Images, describe: Describe) -> Values:
    """Return (V, N, D) the numbers of all views of images (N, H, W, C), in the order of `views_for`."""
    generator = np.random.default_rng(0)
    return np.stack([describe(view(images, generator)) for view in views_for(images.shape[-1]).values()])
