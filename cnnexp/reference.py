"""What the model has seen: features and pictures of training images, and scores of calibration images.

Training images are what a new image is compared with; calibration images, which the training never saw, say how far
apart two things of the same kind are. Both questions are answered by split conformal prediction, which promises its
error rate for images that come from where the calibration images came from, whatever the model (Vovk, Gammerman &
Shafer 2005; Angelopoulos & Bates 2021, arXiv:2107.07511).

This file is copied as it stands into every logged model and every export.
"""

import io
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

NEIGHBOURS = 5  # the distance of an image is that to its 5th nearest training image (Sun et al. 2022)
_AT_ONCE = 2**24  # distances computed at once

Features = NDArray[np.float32]  # (N, F), rows of length 1
Probabilities = NDArray[np.float32]  # (N, K)


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """The contents of ``features.npz``."""

    features: NDArray[np.float16]  # (R, F) of training images, rows of length 1
    pixels: NDArray[np.uint8]  # (R, H, W, C) the same images as the model takes them
    labels: NDArray[np.int64]  # (R,)
    files: tuple[str, ...]  # (R,)
    label_scores: NDArray[np.float32]  # (n,) sorted: 1 - probability of the true class of each calibration image
    distances: NDArray[np.float32]  # (n,) sorted: of each calibration image to the training images

    def to_bytes(self) -> bytes:
        """Return the file."""
        file = io.BytesIO()
        np.savez(
            file,
            features=self.features,
            pixels=self.pixels,
            labels=self.labels,
            files=np.frombuffer("\0".join(self.files).encode("utf-8", "surrogateescape"), np.uint8),
            label_scores=self.label_scores,
            distances=self.distances,
        )
        return file.getvalue()

    @classmethod
    def from_bytes(cls, content: bytes) -> "Reference":
        """Read the file; nothing in it is executed. Raises ValueError, KeyError or OSError when it is damaged."""
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            files = arrays["files"].tobytes().decode("utf-8", "surrogateescape").split("\0")
            return cls(
                features=arrays["features"],
                pixels=arrays["pixels"],
                labels=arrays["labels"],
                files=tuple(files) if len(arrays["labels"]) else (),
                label_scores=arrays["label_scores"],
                distances=arrays["distances"],
            )

    def p_values(self, features: Features) -> NDArray[np.float64] | None:
        """Return (N,) how likely an image of the calibration images' kind is as far off as this one, in (0, 1].

        A conformal p-value (Bates et al. 2023, arXiv:2104.08279): below 0.01 for at most 1 % of images of that kind.
        None without calibration images, or without enough training images to be near to.
        """
        if not len(self.distances) or len(self.features) < NEIGHBOURS:
            return None
        return p_values(distances(features, self.features), self.distances)

    def nearest(self, features: Features, *, count: int) -> NDArray[np.int64]:
        """Return (N, count) the most similar training images, nearest first; fewer where there are fewer."""
        similarity = features @ self.features.astype(np.float32).T
        return np.argsort(-similarity, axis=1, kind="stable")[:, :count]


def normalized(features: NDArray[np.floating]) -> Features:
    """Return features as rows of length 1, (N, F) float32."""
    values = features.reshape(len(features), -1).astype(np.float32)
    length = np.linalg.norm(values, axis=1, keepdims=True)
    return np.divide(values, length, out=np.zeros_like(values), where=length > 0)


def distances(features: Features, to: NDArray[np.float16]) -> NDArray[np.float32]:
    """Return (N,) the Euclidean distance of each image to its 5th nearest among the training images, 0..2.

    On normalized features of the last hidden layer: "Out-of-Distribution Detection with Deep Nearest Neighbors", Sun,
    Ming, Zhu & Li, ICML 2022.
    """
    training = to.astype(np.float32).T
    rows = max(1, _AT_ONCE // max(1, training.shape[1]))
    found = [
        np.partition(features[start : start + rows] @ training, -NEIGHBOURS, axis=1)[:, -NEIGHBOURS]
        for start in range(0, len(features), rows)
    ]
    similarity = np.concatenate(found) if found else np.empty(0, np.float32)
    return np.sqrt(np.maximum(2 - 2 * similarity, 0)).astype(np.float32)


def p_values(scores: NDArray[np.float32], calibration: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return (N,) the share of `calibration`, sorted, that is at least as large, the new one counted: (k + 1)/(n + 1)."""
    larger = len(calibration) - np.searchsorted(calibration, scores, side="left")
    shares: NDArray[np.float64] = (larger + 1) / (len(calibration) + 1)
    return shares


def least_probability(label_scores: NDArray[np.float32], coverage: float) -> float:
    """Return the least probability a class needs to be in the prediction set at this coverage; 0: all classes are.

    Split conformal prediction with the score 1 - p (LAC: Sadinle, Lei & Wasserman 2019): the ⌈(n + 1) · coverage⌉-th
    smallest score of the n calibration images. Where n is too small for the coverage, nothing can be left out.
    """
    rank = math.ceil((len(label_scores) + 1) * coverage)
    return 0.0 if rank > len(label_scores) else 1 - float(label_scores[rank - 1])


def prediction_sets(probabilities: Probabilities, least: float) -> NDArray[np.bool_]:
    """Return (N, K) which classes are in each image's prediction set; the most probable one always is."""
    chosen = probabilities >= least
    chosen[np.arange(len(probabilities)), probabilities.argmax(axis=1)] = True
    return chosen
