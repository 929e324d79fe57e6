"""The trained network of a run, asked again: is it the recorded one, what does it do without images, and what with
statistics of batch normalization that are computed anew?
"""

from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from cnnexp.datasets import Split, Splits
from cnnexp.diagnosis.refitted_head import RefittedHead
from cnnexp.models import LOGITS
from cnnexp.portable.card import MODEL_FILE, UnfitModelError
from cnnexp.portable.classifier import load_keras
from cnnexp.records import Images, Labels
from cnnexp.runs.probes.short_training import some_of
from cnnexp.training import Network

MOST_TRAIN, MOST_ASKED = 2_000, 1_000  # images
BATCHES, BATCH = 16, 64  # of training images, from which statistics are computed anew
PARTS = (0.5, 1.0)  # of the training images, that a head is refitted on
REGULARIZATION = 1.0  # C of the refitted head, on standardized features


@dataclass(frozen=True)
class TrainedNetwork:
    """A recorded model, and images to ask it about."""

    model: keras.Model
    splits: Splits

    def predict(self, images: Images) -> Labels:
        """Return the most probable class of images (N, H, W, C) uint8."""
        return np.asarray(Network(self.model).logits(images, np.arange(len(images))).argmax(axis=1))

    def correct(self, split: Split) -> NDArray[np.bool_]:
        """Return which images of a split are answered right."""
        return np.asarray(Network(self.model).logits(split.images, split.rows).argmax(axis=1) == split.labels)

    def weights(self, temperature: float) -> list[NDArray[np.float32]]:
        """Return the weights that training ended with: the saved logits are divided by the temperature."""
        divided = {id(variable) for variable in self.model.get_layer(LOGITS).weights}
        return [
            np.asarray(variable, np.float32) * np.float32(temperature if id(variable) in divided else 1)
            for variable in self.model.weights
        ]


def load_trained(folder: Path, splits: Splits) -> TrainedNetwork | None:
    """Return the network of a model folder; None where it cannot be loaded, as one with code that is not trusted."""
    try:
        return TrainedNetwork(load_keras(folder / MODEL_FILE), splits)
    except UnfitModelError:
        return None


def with_fresh_statistics(trained: TrainedNetwork) -> tuple[NDArray[np.bool_], NDArray[np.bool_]] | None:
    """Return which validation images are right, and which are with statistics of batch normalization computed anew.

    None: the network has none. It is left as it was.
    """
    model, splits = trained.model, trained.splits
    own = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    if not own:
        return None
    asked = some_of(splits.validation, most=MOST_ASKED)
    before, state, momenta = trained.correct(asked), model.get_weights(), [layer.momentum for layer in own]
    train = some_of(splits.train, most=BATCHES * BATCH)
    order = np.random.default_rng(0).permutation(len(train))
    for number, places in enumerate(np.array_split(order, max(1, len(order) // BATCH))):
        for layer in own:
            layer.momentum = number / (number + 1)  # so that the stored numbers are the mean over batches
        model(train.images[train.rows[places]], training=True)
    after = trained.correct(asked)
    for layer, momentum in zip(own, momenta, strict=True):
        layer.momentum = momentum
    model.set_weights(state)
    return before, after


def refit_head(trained: TrainedNetwork, seed: int) -> RefittedHead | None:
    """Fit heads on parts of the training images; None where a part would lack a class."""
    network, splits = Network(trained.model), trained.splits
    train, asked = some_of(splits.train, most=MOST_TRAIN), some_of(splits.validation, most=MOST_ASKED)
    features, new = (np.concatenate(list(network.features(part.images, part.rows))) for part in (train, asked))
    order = np.random.default_rng(seed).permutation(len(train))
    parts = [order[: max(1, round(share * len(order)))] for share in PARTS]
    if len(np.unique(train.labels[parts[0]])) < max(2, len(np.unique(train.labels))) or not len(asked):
        return None
    right = [_fitted(features[part], train.labels[part], new) == asked.labels for part in parts]
    gains = right[-1].astype(float) - right[-2]
    return RefittedHead(
        images=len(train),
        accuracy=float(right[-1].mean()),
        answered=len(asked),
        as_black=_as_black(trained),
        gain=float(gains.mean()),
        gain_error=float(gains.std() / len(gains) ** 0.5),
    )


def _as_black(trained: TrainedNetwork) -> float:
    """Return the share of validation images that are answered as they are when they are black."""
    asked = some_of(trained.splits.validation, most=MOST_ASKED)
    images = asked.images[asked.rows]
    return float((trained.predict(images) == trained.predict(np.zeros_like(images[:1]))[0]).mean())


def _fitted(features: NDArray[np.float32], labels: Labels, new: NDArray[np.float32]) -> Labels:
    scaler = StandardScaler().fit(features)
    head = LogisticRegression(C=REGULARIZATION, max_iter=100).fit(scaler.transform(features), labels)
    return np.asarray(head.predict(scaler.transform(new)))
