"""The features of a run's images by its backbone, from the cache, where the first run that needs them puts them."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets import Splits
from cnnexp.datasets.cache.features import FeatureRequest, Features, features_once
from cnnexp.models import split
from cnnexp.system.text import plural
from cnnexp.training import FeatureSplit, Network, write_features


@dataclass(frozen=True, kw_only=True)
class CachedFeatures:
    """Features of the splits, in float32 whatever a run trains in, so that all runs share them.

    They are of the images as they are: a head that was trained on augmented ones was not shown to be better, see
    docs/pretrained.md.
    """

    network: Network  # that computes them
    splits: Splits
    code: Sequence[str]  # what changes when a user's code is edited that the run uses; empty: it uses none
    threads: int  # results of other numbers of threads differ in their last digits
    folder: Path  # of the cache
    on_progress: Callable[[int, int], None]

    def of(self, name: str) -> Features:
        """Return the features (N, F) of a split, computed where they are not in the cache yet."""
        own = self.splits[name]
        if not len(own):
            return np.zeros((0, self._width), np.float32)
        key = {
            "backbone": self._backbone,
            "images": self.splits.content_digest,
            "rows": _digest(own.rows),
            "threads": self.threads,
            **({"code": list(self.code)} if self.code else {}),
        }
        request = FeatureRequest(
            name=self.splits.name,
            origin=f"features of {plural(len(own), f'{name} image')} by {self.network.model.name}",
            key=key,
            shape=(len(own), self._width),
        )
        compute = partial(write_features, self.network, own, on_progress=self.on_progress)
        return features_once(request, folder=self.folder, compute=compute)

    def examples(self, name: str) -> FeatureSplit:
        """Return the features of a split with their labels, as a head is trained or validated on them."""
        return FeatureSplit(self.of(name), self.splits[name].labels)

    @cached_property
    def _width(self) -> int:
        return int(split(self.network.model).features.output_shape[-1])

    @cached_property
    def _backbone(self) -> str:
        """Digest of the structure and the weights of the backbone."""
        backbone = split(self.network.model).features
        digest = hashlib.sha256(backbone.to_json().encode())
        for weights in backbone.get_weights():
            digest.update(np.ascontiguousarray(weights).data)
        return digest.hexdigest()


def _digest(rows: NDArray[np.int64]) -> str:
    return hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()
