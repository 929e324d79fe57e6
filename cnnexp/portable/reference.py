"""The training data in short: features and pixels of training images, and scores of calibration images.

A new image is compared with the training images; the calibration images, which training never used, tell how large such
a distance usually is. Split conformal prediction gives prediction sets and p-values whose error rate holds for any
model, on images from the same distribution as the calibration images (Vovk, Gammerman & Shafer 2005; Angelopoulos &
Bates 2021, arXiv:2107.07511).
"""

import io
import math
import zipfile
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

DIRECTIONS = 128  # principal directions with a variance of their own; all others share one
_CHUNK_PIXELS = 2**18  # converted to floating point at once: they stay in the cache of a processor
_LATER = ("trained_on", "held_out", "held_out_labels", "file_sizes")  # arrays that files of earlier versions lack
RIDGE = 1e-4  # of the total variance, added to each: directions with almost no variance would dominate

Features = NDArray[np.float32]  # (N, F), rows of length 1
Probabilities = NDArray[np.float32]  # (N, K)


@dataclass(frozen=True, kw_only=True, slots=True)
class ClassGaussians:
    """One Gaussian for each class, with a common covariance, fitted on features of training images."""

    means: NDArray[np.float32]  # (K, F)
    axes: NDArray[np.float32]  # (D, F) orthonormal, D at most DIRECTIONS
    variances: NDArray[np.float32]  # (D,) along the axes
    rest: NDArray[np.float32]  # () variance along all other directions

    def fits(self, *, classes: int, length: int) -> bool:
        """Return whether the arrays have the shapes for features of this length."""
        axes = (len(self.axes), length) if self.axes.ndim == 2 else ()
        shapes = (self.means, (classes, length)), (self.axes, axes), (self.variances, axes[:1]), (self.rest, ())
        return all(array.dtype.kind == "f" and array.shape == shape for array, shape in shapes)

    def distances(self, features: Features) -> NDArray[np.float32]:
        """Return (N,) the Mahalanobis distance of each image to the nearest class.

        Lee, Lee, Lee & Shin 2018 (arXiv:1807.03888), on features of length 1 (Mueller & Hein 2025, arXiv:2505.18032).
        """
        found = np.full(len(features), np.inf, np.float32)
        for mean in self.means:
            apart = features - mean
            along = apart @ self.axes.T
            outside = np.maximum((apart**2).sum(axis=1) - (along**2).sum(axis=1), 0)
            found = np.minimum(found, (along**2 / self.variances).sum(axis=1) + outside / self.rest)
        distance: NDArray[np.float32] = np.sqrt(found).astype(np.float32)
        return distance


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainingReference:
    """The contents of ``features.npz``."""

    features: NDArray[np.float16]  # (R, F) of training images, rows of length 1
    pixels: NDArray[np.uint8]  # (R, H, W, C) the same images as the model takes them
    labels: NDArray[np.int64]  # (R,)
    files: tuple[str, ...]  # (R,)
    feature_gaussians: ClassGaussians  # fitted on more training images than the R above
    appearance_gaussians: ClassGaussians  # of the same images, see `appearance`
    label_scores: NDArray[np.float32]  # (n,) sorted, 1 - probability of the true class of each calibration image
    # (m,) sorted, of calibration images to the training images; where they are few, of validation images, too
    distances: NDArray[np.float32]
    # (T,) the beginnings of the sha256 of the pixels of all training images; None: recorded by an earlier version.
    trained_on: NDArray[np.uint64] | None = None
    # (V, H, W, C) images that no weight was trained on, as the model takes them; None: an earlier version, or none.
    held_out: NDArray[np.uint8] | None = None
    held_out_labels: NDArray[np.int64] | None = None  # (V,)
    file_sizes: NDArray[np.int64] | None = None  # (S, 2) width and height of some training files; None: as above

    def to_bytes(self) -> bytes:
        """Return the file."""
        file = io.BytesIO()
        later = {name: array for name in _LATER if (array := getattr(self, name)) is not None}
        np.savez(
            file,
            features=self.features,
            pixels=self.pixels,
            labels=self.labels,
            files=np.frombuffer("\0".join(self.files).encode("utf-8", "surrogateescape"), np.uint8),
            **{name: getattr(self.feature_gaussians, name) for name in ClassGaussians.__slots__},
            **{f"look_{name}": getattr(self.appearance_gaussians, name) for name in ClassGaussians.__slots__},
            label_scores=self.label_scores,
            distances=self.distances,
            **later,
        )
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "TrainingReference":
        """Read the file; nothing in it is executed.

        Raises what NumPy and zipfile raise when it is damaged: ValueError, KeyError, OSError, EOFError, MemoryError,
        NotImplementedError, BadZipFile.
        """
        _require_stored(content)
        with np.load(io.BytesIO(content), allow_pickle=False) as archive:
            arrays = {name: np.asanyarray(archive[name]) for name in archive.files}  # bytes, where it is no array
            files = arrays["files"].tobytes().decode("utf-8", "surrogateescape").split("\0")
            return cls(
                features=arrays["features"],
                pixels=arrays["pixels"],
                labels=arrays["labels"],
                files=tuple(files) if arrays["labels"].size else (),
                feature_gaussians=ClassGaussians(**{name: arrays[name] for name in ClassGaussians.__slots__}),
                appearance_gaussians=ClassGaussians(
                    **{name: arrays[f"look_{name}"] for name in ClassGaussians.__slots__}
                ),
                label_scores=arrays["label_scores"],
                distances=arrays["distances"],
                **{name: arrays.get(name) for name in _LATER},
            )

    def require_consistent(self, *, image_shape: tuple[int, int, int], classes: int) -> None:
        """Raise ValueError where an array has another type or shape than a model with such images and classes needs."""
        images, length = self.features.shape if self.features.ndim == 2 else (-1, -1)
        gaussians = (self.feature_gaussians, length), (self.appearance_gaussians, image_shape[-1] + 2)
        fits = (
            self.features.dtype.kind == "f"
            and self.pixels.dtype == np.uint8
            and self.pixels.shape == (images, *image_shape)
            and self.labels.dtype.kind == "i"
            and self.labels.shape == (images,) == (len(self.files),)
            and bool(((self.labels >= 0) & (self.labels < classes)).all())
            and all(one.fits(classes=classes, length=values) for one, values in gaussians)
            and all(scores.dtype.kind == "f" and scores.ndim == 1 for scores in (self.label_scores, self.distances))
            and self._held_out_fits(image_shape, classes)
            and (self.file_sizes is None or (self.file_sizes.ndim == 2 and self.file_sizes.shape[1] == 2))
        )
        if not fits:
            raise ValueError(f"its arrays do not belong to {classes} classes of images {image_shape}, or to each other")

    def _held_out_fits(self, image_shape: tuple[int, int, int], classes: int) -> bool:
        if self.held_out is None or self.held_out_labels is None:
            return self.held_out is None and self.held_out_labels is None
        return (
            self.held_out.dtype == np.uint8
            and self.held_out_labels.dtype.kind == "i"
            and self.held_out.shape == (len(self.held_out_labels), *image_shape)
            and bool(((self.held_out_labels >= 0) & (self.held_out_labels < classes)).all())
        )

    def p_values(self, features: Features, images: NDArray[np.uint8]) -> NDArray[np.float64] | None:
        """Return (N,) the probability, in (0, 1], that an image like the calibration images is at least this far off.

        Conformal p-values (Bates et al. 2023, arXiv:2104.08279): at most 1 % of images from the distribution of the
        calibration images are below 0.01. None without calibration images.
        """
        if not len(self.distances):
            return None
        return p_values(self.distances_of(features, images), self.distances)

    def distances_of(self, features: Features, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Return (N,) how far images (N, H, W, C) with features (N, F) are from the training images."""
        return distances(features, images, self.feature_gaussians, self.appearance_gaussians)

    def nearest(self, features: Features, *, count: int) -> NDArray[np.int64]:
        """Return (N, count) the most similar training images, nearest first; fewer where there are fewer."""
        similarity = features @ self.features.astype(np.float32).T
        return np.argsort(-similarity, axis=1, kind="stable")[:, :count]


def _require_stored(content: bytes) -> None:
    """Raise ValueError for an archive with more in it than it is large; `to_bytes` compresses nothing."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        if sum(member.file_size for member in archive.infolist()) > len(content):
            raise ValueError("its arrays claim more bytes than the file has")


def normalized(features: NDArray[np.floating]) -> Features:
    """Return features as rows of length 1, (N, F) float32."""
    values = features.reshape(len(features), -1).astype(np.float32)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    rows: Features = np.divide(values, length, out=np.zeros_like(values), where=length > 0)
    return rows


def fit_gaussians(features: Features, labels: NDArray[np.int64], *, classes: int) -> ClassGaussians:
    """Fit the Gaussians to training features (N, F) with labels (N,); every class has at least one image."""
    means = np.stack([features[labels == label].mean(axis=0) for label in range(classes)])
    _, singular, axes = np.linalg.svd(features - means[labels], full_matrices=False)
    variances = singular**2 / len(features)
    ridge = RIDGE * variances.sum() + np.finfo(np.float32).eps
    others = features.shape[1] - DIRECTIONS
    rest = variances[DIRECTIONS:].sum() / others if others > 0 else 0.0
    return ClassGaussians(
        means=means,
        axes=axes[:DIRECTIONS],
        variances=(variances[:DIRECTIONS] + ridge).astype(np.float32),
        rest=np.asarray(rest + ridge, np.float32),
    )


def distances(
    features: Features, images: NDArray[np.uint8], by_features: ClassGaussians, by_appearance: ClassGaussians
) -> NDArray[np.float32]:
    """Return (N,) how far images (N, H, W, C) with features (N, F) are from the training images.

    Features alone miss much that no network was trained to see: a third of pure noise at 8 × 8 pixels is far off by
    features, all of it by appearance. The squares add up, as for independent quantities.
    """
    total: NDArray[np.float32] = np.hypot(by_features.distances(features), by_appearance.distances(appearance(images)))
    return total


def appearance(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return (N, C + 2) simple properties of images (N, H, W, C): mean of each channel, contrast, and detail."""
    count = max(1, _CHUNK_PIXELS // math.prod(images.shape[1:3]))
    chunks = [_appearance(images[start : start + count]) for start in range(0, len(images), count)]
    return np.concatenate(chunks) if chunks else np.empty((0, images.shape[-1] + 2), np.float32)


def _appearance(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    channels = [np.ascontiguousarray(images[..., channel]) for channel in range(images.shape[3])]
    # Sums of whole numbers, which are exact, are ten times as fast as means over the channels of each pixel.
    grey = np.add.reduce(channels, dtype=np.uint16).astype(np.float32) / np.float32(len(channels))
    means = [channel.sum(axis=(1, 2), dtype=np.uint64) / grey[0].size / 255 for channel in channels]
    steps = sum(np.abs(np.diff(grey, axis=axis)).sum(axis=(1, 2)) for axis in (1, 2)) / grey[0].size
    return np.column_stack([*means, np.log1p(grey.std(axis=(1, 2))), np.log1p(steps)]).astype(np.float32)


def p_values(scores: NDArray[np.float32], calibration: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (N,) conformal p-values (k + 1)/(n + 1): k of the n sorted `calibration` scores are at least as large."""
    larger = len(calibration) - np.searchsorted(calibration, scores, side="left")
    shares: NDArray[np.float64] = (larger + 1) / (len(calibration) + 1)
    return shares


def minimum_probability(label_scores: NDArray[np.float32], coverage: float) -> float:
    """Return the minimum probability of a class in the prediction set at this coverage; 0: all classes are in it.

    Split conformal prediction with the score 1 - p (LAC: Sadinle, Lei & Wasserman 2019): the ⌈(n + 1) · coverage⌉-th
    smallest score of the n calibration images. If n is too small for the coverage, no class can be left out.
    """
    rank = math.ceil((len(label_scores) + 1) * coverage)
    return 0.0 if rank > len(label_scores) else 1 - float(label_scores[rank - 1])


def prediction_sets(probabilities: Probabilities, minimum: float) -> NDArray[np.bool_]:
    """Return (N, K) which classes are in each image's prediction set; the most probable one is always in it."""
    chosen = probabilities >= minimum
    chosen[np.arange(len(probabilities)), probabilities.argmax(axis=1)] = True
    return chosen
