"""Every kind of mismatch, simulated on images that no weight was trained on."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from threading import Semaphore

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from cnnexp.diagnosis.image.kinds import OTHER, Kind
from cnnexp.diagnosis.image.orbit import views_for
from cnnexp.diagnosis.image.restore import RESTORES, Usual
from cnnexp.records import Images
from cnnexp.system.resources import cores

PIXELS = 50_000_000  # simulated of views; a little less than as many of all kinds: 15 s on two cores
MOST = 100  # images for each form; half as many where a kind has more than FEW_FORMS
FEW_FORMS = 4
SHARE_OF_KIND = 1 / 21  # of these pixels: about as many images of each kind, so that forms of a kind share them
FEWEST = 4  # images for each form: its mean is that of all images and what it changes in these, see `gaussians`
# The same of what has no name, which is of many sorts: each fit knows four fifths of these. With four, one image of a
# fault in three of data sets with so few images is excluded by those that are not told from it.
FEWEST_UNNAMED = 8
FOLDS = 5  # a fit is repeated without each fifth of the source images
FEWEST_RESTORED = 50  # images of a kind with it undone; a rank among fewer is above the share that excludes it
FEWEST_VIEWED = 100  # images of which all views are described: what is ordinary is known by these
BATCH = 4  # images that are changed by the same strength
STRENGTHS = 12  # of each form at least, as far as it has images for each: numbers of many pixels vary little by chance
BLOCK = 2**22  # values of images that are described together, at least
WAITING = 2  # blocks for each thread that describes them, at most: they need memory

Values = NDArray[np.float32]
Describe = Callable[[Images], Values]  # images (N, H, W, C) -> numbers of pixels and features (N, D)


@dataclass(frozen=True, slots=True)
class Simulated:
    """Described images, clean and changed."""

    values: Values  # (R, D)
    forms: NDArray[np.int64]  # (R,) which way each was changed; 0: not at all
    sources: NDArray[np.int64]  # (R,) which of the n images it was made of
    names: tuple[str, ...]  # of the kind of each form; several forms have one name
    chosen: NDArray[np.int64]  # (n,) which of the images that were given these are: all, or as many as time allows
    views: NDArray[np.int64]  # (V, n) rows that are the views of the n images; the first are the images as they are
    restored: Values  # (Q, D) half of them described again, with their kind undone, where these are many enough
    restored_rows: NDArray[np.int64]  # (Q,) which of the R these are


def simulate(images: Images, kinds: Sequence[Kind], describe: Describe, *, seed: int) -> Simulated:
    """Describe images (N, H, W, C), all views of them, and some of them changed in each other form of each kind.

    `describe` is called by several threads.
    """
    generator = np.random.default_rng(seed)
    views, room = views_for(images.shape[-1]), PIXELS // (images.shape[1] * images.shape[2])
    chosen = np.sort(generator.permutation(len(images))[: max(FEWEST_VIEWED, room // len(views))])
    others = [kind for kind in kinds if kind.name not in views]
    names = (*views, *(kind.name for kind in others for _ in kind.forms))
    parts = list[tuple[int, NDArray[np.int64], bool]]()

    def simulated() -> Iterator[Images]:
        for part in _simulated(images[chosen], others, room, generator):
            parts.append((part.form, part.sources, part.restored))
            yield part.images

    values = _described(simulated(), describe)
    forms = np.concatenate([np.full(len(own), form) for form, own, _ in parts])
    sources = np.concatenate([own for _, own, _ in parts])
    restored = np.concatenate([np.full(len(own), is_restored) for _, own, is_restored in parts])
    changed = np.flatnonzero(~restored)
    row_of = {
        (form, source): row for row, (form, source) in enumerate(zip(forms[changed], sources[changed], strict=True))
    }
    return Simulated(
        values=values[changed],
        forms=forms[changed],
        sources=sources[changed],
        names=names,
        chosen=chosen,
        views=np.arange(len(views) * len(chosen)).reshape(len(views), -1),
        restored=values[restored],
        restored_rows=np.array(
            [row_of[pair] for pair in zip(forms[restored], sources[restored], strict=True)], np.int64
        ),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """Images (n, H, W, C) that were changed in one way."""

    images: Images
    form: int
    sources: NDArray[np.int64]  # (n,)
    restored: bool = False  # with their kind undone again


def _simulated(images: Images, others: Sequence[Kind], room: int, generator: np.random.Generator) -> Iterator[_Part]:
    """Yield all views of the images, then images of each form of the `others`."""
    every, usual = np.arange(len(images)), Usual.of(images)
    views = views_for(images.shape[-1])
    for form, view in enumerate(views.values()):
        yield _Part(view(images, generator), form, every)
    form = len(views)
    for kind in others:
        for change in kind.forms:
            own = _sources(generator.permutation(len(images)), _images_of_a_form(kind, others, room))
            for_each = 2 if kind.name == OTHER else 1  # of these, some mix the images of a batch
            batches = np.array_split(images[own], max(-(-len(own) // BATCH), min(STRENGTHS, len(own) // for_each)))
            changed = np.concatenate([change(batch, generator) for batch in batches])
            yield _Part(changed, form, own)
            half = -(-len(changed) // 2)
            if kind.name in RESTORES and half * len(kind.forms) >= FEWEST_RESTORED:
                yield _Part(RESTORES[kind.name](changed[:half], usual), form, own[:half], restored=True)
            form += 1


def _images_of_a_form(kind: Kind, others: Sequence[Kind], room: int) -> int:
    most = MOST if len(kind.forms) <= FEW_FORMS else MOST // 2
    forms = sum(len(one.forms) for one in others if one.name == kind.name)  # what has no name is of two kinds
    fewest = FEWEST_UNNAMED if kind.name == OTHER else FEWEST
    return min(most, max(fewest, int(room * SHARE_OF_KIND) // forms))


def _sources(shuffled: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Return the first of shuffled images; where they are few, as many of each fold."""
    if count < 3 * FOLDS:
        folds = shuffled % FOLDS
        places = np.array([np.sum(folds[:place] == fold) for place, fold in enumerate(folds)])
        shuffled = shuffled[np.argsort(places, kind="stable")]
    return shuffled[:count]


def _described(parts: Iterator[Images], describe: Describe) -> Values:
    """Return the numbers (R, D) of all images of the parts, in their order.

    Threads describe them while others are simulated: NumPy and networks release the interpreter's lock.
    """
    waiting, found = Semaphore(WAITING * cores()), list[Future[Values]]()
    with threadpool_limits(1, "blas"), ThreadPoolExecutor(cores()) as threads:
        for block in _blocks(parts):
            waiting.acquire()
            found.append(threads.submit(describe, block))
            found[-1].add_done_callback(lambda _: waiting.release())
            if len(found) == 1:
                found[0].result()  # the first call traces the graph of a network
        return np.concatenate([one.result() for one in found])


def _blocks(parts: Iterator[Images]) -> Iterator[Images]:
    """Yield the images of consecutive parts together, until they are many: networks are faster so."""
    kept = list[Images]()
    for part in parts:
        kept.append(part)
        if sum(images.size for images in kept) >= BLOCK:
            yield np.concatenate(kept)
            kept = []
    if kept:
        yield np.concatenate(kept)


def described_views(images: Images, describe: Describe) -> Values:
    """Return (V, N, D) the numbers of all views of images (N, H, W, C), in the order of `views_for`."""
    generator, views = np.random.default_rng(0), views_for(images.shape[-1]).values()
    return _described((view(images, generator) for view in views), describe).reshape(len(views), len(images), -1)
