"""Labelled images that a foreign model is asked about, read by any of the usual rules, in two halves."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from cnnexp.config import DataConfig
from cnnexp.datasets.loading import find_source
from cnnexp.datasets.sources.source import ImageSource
from cnnexp.diagnosis.foreign.preprocessing import FITS, KERNELS, Preprocessing, Statistics
from cnnexp.diagnosis.foreign.search import FEWEST
from cnnexp.errors import DataError
from cnnexp.images import DecodedImage, ImageSpec, UnreadableImageError, convert_color, resize, upright, upright_size
from cnnexp.records import Images, Labels
from cnnexp.system.text import plural

# Images, evenly from all classes: of choices that are nearly alike, more images tell more, and cost time.
MOST, PIXELS = (400, 1000), 1000 * 32 * 32  # the larger number where a network takes so many pixels of them in all
_KEPT = 300 * 2**20  # bytes of decoded images, and of read ones, that are kept; others are read again for each rule
_WHOLE = 2**21  # pixels of a file that is decoded in full; a larger JPEG at a fraction, but twice the input's size
_SEED = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class LabelledImages:
    """Some images of each class of a data set: those that can be read, each picture once."""

    origin: str
    class_names: tuple[str, ...]  # of these images, in the order of the data set
    labels: Labels  # (N,)
    files: tuple[str, ...]
    sizes: NDArray[np.int64]  # (N, 2) width and height of the files
    chooses: NDArray[np.int64]  # places of one half of every class
    confirms: NDArray[np.int64]  # of the other half
    digest: str  # sha256 (hex) of the pixels and labels
    decoder: "Decoder"
    kept: dict[ImageSpec, Images] = field(default_factory=dict)

    def read(self, spec: ImageSpec) -> Images:
        """Return all images as a rule reads them, (N, H, W, C)."""
        if spec not in self.kept:
            if sum(images.nbytes for images in self.kept.values()) > _KEPT:
                self.kept.clear()
            self.kept[spec] = np.stack([resize(self.decoder(row), spec) for row in range(len(self.labels))])
        return self.kept[spec]

    def statistics(self, spec: ImageSpec) -> Statistics:
        """Return the mean and deviation of all pixels of each channel."""
        pixels, axes = self.read(spec), (0, 1, 2)
        return Statistics(tuple(pixels.mean(axis=axes).tolist()), tuple(np.maximum(pixels.std(axis=axes), 1).tolist()))

    def differing(self, factor: str, like: Preprocessing, size: tuple[int, int]) -> tuple[str, ...]:
        """Return the choices of a rule of reading that give other pixels than those before them."""
        seen: set[bytes] = set()
        found = []
        for name in FITS if factor == "fit" else KERNELS:
            pixels = self.read(like.with_(factor, name).spec(*size))
            key = hashlib.sha256(f"{pixels.shape}".encode() + np.ascontiguousarray(pixels).data).digest()
            if key not in seen:
                seen.add(key)
                found.append(name)
        return tuple(found)


class Decoder:
    """Decodes images of a data set, and keeps them as far as memory allows."""

    def __init__(self, images: ImageSource, spec: ImageSpec) -> None:
        self._images, self._spec, self._kept = images, spec, dict[int, DecodedImage]()
        self._bytes, self.rows = 0, list[int]()  # `rows`: which images of the data set are asked for by place

    def __call__(self, place: int) -> DecodedImage:
        """Return the image at a place of `rows`."""
        row = self.rows[place]
        return self._kept[row] if row in self._kept else self.decode(row)

    def decode(self, row: int) -> DecodedImage:
        """Decode an image of the data set.

        Raises:
            UnreadableImageError: it cannot be read.

        """
        source = self._images[row]
        height, width = upright_size(source)
        image = convert_color(upright(source, self._spec, whole=height * width <= _WHOLE), self._spec)
        size = np.asarray(image.pixels).nbytes
        if self._bytes + size <= _KEPT:
            self._kept[row] = image
            self._bytes += size
        return image


def read_labelled(data: DataConfig, *, grey: bool, size: tuple[int, int]) -> LabelledImages:
    """Read the labelled images of a data set, as a network with one channel or three takes them.

    Raises:
        DataError: it is missing, or too few of its images can be read.

    """
    source = find_source(data)
    manifest, images = source.open()
    spec = ImageSpec(2 * size[0], 2 * size[1], "grey" if grey else "rgb", "crop", "bilinear", True, 0)
    decoder = Decoder(images, spec)
    seen: dict[bytes, int] = {}  # copies of one image would stand in both halves
    sizes = []
    for row in _chosen(manifest.labels, int(np.clip(PIXELS // (size[0] * size[1]), *MOST))):
        try:
            image = decoder.decode(row)
        except UnreadableImageError:
            continue
        if (key := hashlib.sha256(np.asarray(image.pixels).tobytes()).digest()) not in seen:
            seen[key] = row
            sizes.append(image.size)
    decoder.rows.extend(seen.values())
    present, labels = np.unique(manifest.labels[decoder.rows], return_inverse=True)
    chooses, confirms = _halves(labels)
    classes = len(present)
    if len(labels) < FEWEST or classes < 2:
        raise DataError(
            f"What a model wants is found with at least {FEWEST} different labelled images of two classes or more; "
            f"{source.origin} has {plural(len(labels), 'image')} of {plural(classes, 'class', 'classes')} that can be "
            "read."
        )
    return LabelledImages(
        origin=source.origin,
        class_names=tuple(manifest.class_names[label] for label in present.tolist()),
        labels=labels.astype(np.int64),
        files=tuple(manifest.files[row] for row in decoder.rows),
        sizes=np.array(sizes, np.int64),
        chooses=chooses,
        confirms=confirms,
        digest=hashlib.sha256(labels.tobytes() + b"".join(seen)).hexdigest(),
        decoder=decoder,
    )


def _chosen(labels: Labels, most: int) -> Iterator[int]:
    """Yield at most so many rows, the same number of each class as far as they have so many."""
    generator = np.random.default_rng(_SEED)
    classes = np.unique(labels)
    for label in classes:
        own = generator.permutation(np.flatnonzero(labels == label))
        yield from own[: max(2, most // len(classes))].tolist()


def _halves(labels: Labels) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the places of every second image of each class, and of the others."""
    first = np.zeros(len(labels), np.bool_)
    for label in np.unique(labels):
        first[np.flatnonzero(labels == label)[::2]] = True
    return np.flatnonzero(first), np.flatnonzero(~first)
