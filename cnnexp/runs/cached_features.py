"""The features of a run's images by its backbone, from the cache, where the first run that needs them puts them."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cnnexp.datasets import Split, Splits
from cnnexp.datasets.cache.features import Compute, FeatureRequest, Features, features_once
from cnnexp.models import split
from cnnexp.records import Augmentation
from cnnexp.system.text import plural
from cnnexp.training import FeatureSplit, Network, plain_features, view_features
from cnnexp.training.feature_views import VIEW_BATCH, VIEW_SEED

# Of each training image, where it is augmented. By benchmarks/feature_views.py, 500 images at 96 px, medians of three
# seeds whose ranges overlap: CIFAR-10 0.567 by one view, 0.580 by four, 0.581 by eight and 0.597 by the plain images;
# hand signs 0.813 by four and 0.827 by the plain images. So views are not shown to help a head.
VIEWS = 4


@dataclass(frozen=True, kw_only=True)
class CachedFeatures:
    """Features of the splits, in float32 whatever a run trains in, so that all runs share them."""

    network: Network  # that computes them
    splits: Splits
    augmentation: Augmentation
    code: Sequence[str]  # what changes when a user's code is edited that the run uses; empty: it uses none
    threads: int  # results of other numbers of threads differ in their last digits
    folder: Path  # of the cache
    on_progress: Callable[[int, int], None]

    def of(self, name: str) -> Features:
        """Return the features (N, F) of the images of a split as they are."""
        own = self.splits[name]
        return self._once(own, f"{name} image", {}, 1, partial(plain_features, self.network, own))

    def training(self) -> FeatureSplit:
        """Return what the head is trained on: the training images, or augmented views of them.

        They are not mixed with one another: that would need mixed labels.
        """
        train, augmentation = self.splits.train, self.augmentation.unmixed
        if not augmentation:
            return FeatureSplit(self.of("train"), train.labels)
        about = {"augmentation": asdict(augmentation), "batch": VIEW_BATCH, "seed": VIEW_SEED}
        compute = partial(view_features, self.network, train, augmentation)
        return FeatureSplit(self._once(train, "augmented train image", about, VIEWS, compute), train.labels)

    def validation(self) -> FeatureSplit:
        """Return what the head is validated on."""
        return FeatureSplit(self.of("validation"), self.splits.validation.labels)

    def _once(
        self, own: Split, image: str, about: dict[str, object], views: int, compute: Callable[..., None]
    ) -> Features:
        if not len(own):
            return np.zeros((0, self._width), np.float32)
        key = {
            **about,
            "backbone": self._backbone,
            "images": self.splits.content_digest,
            "rows": _digest(own.rows),
            "threads": self.threads,
            **({"code": list(self.code)} if self.code else {}),
        }
        request = FeatureRequest(
            name=self.splits.name,
            origin=f"features of {plural(len(own), image)} by {self.network.model.name}",
            key=key,
            shape=(views * len(own), self._width),
        )
        fill: Compute = partial(compute, on_progress=self.on_progress)
        return features_once(request, folder=self.folder, compute=fill)

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
