"""The network that a run starts from, found before the data are read, and what it asks of them; without Keras."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from cnnexp.config import DataConfig, ModelConfig, PretrainedConfig
from cnnexp.config.backbones import BACKBONES
from cnnexp.datasets.image_digests import as_numbers, image_digests
from cnnexp.errors import ConfigError, DataError
from cnnexp.models.backbones.weights import find_weights
from cnnexp.records import SPLIT_NAMES, PretrainedNetwork, Scaling
from cnnexp.system.text import listed

if TYPE_CHECKING:
    from cnnexp.datasets import InspectedDataset, Split, Splits


_UNKNOWN_IMAGES = (
    "Which images that network was trained on is not recorded: its run was made by an earlier version. If some of them "
    "are judged here, the scores are too high."
)


def find_pretrained(model: ModelConfig) -> PretrainedNetwork | None:
    """Return the network that a run starts from; None: it is built and trained from nothing.

    Raises:
        ModelError: its weights are missing, or the file holds others.

    """
    if not isinstance(model, PretrainedConfig):
        return None
    backbone = BACKBONES[model.backbone]
    weights = find_weights(model.backbone, model.weights)
    return PretrainedNetwork(
        height=backbone.side,
        width=backbone.side,
        smallest=backbone.smallest,
        color="rgb",
        resize=None,
        scaling=Scaling("model", backbone.preprocessing.scale, backbone.preprocessing.offset),
        values_per_pixel=backbone.values_per_pixel,
        weights=None if weights is None else weights.path,
        digest=None if weights is None else weights.digest,
        class_names=None,
        trained_on=None,
        origin=_origin(model.backbone, None if weights is None else weights.origin),
    )


def notes_on(pretrained: PretrainedNetwork | None, inspected: "InspectedDataset", data: DataConfig) -> tuple[str, ...]:
    """Say where the weights are from, and that images are enlarged a lot where `data` leaves their size open."""
    if pretrained is None:
        return ()
    if pretrained.class_names is not None and pretrained.trained_on is None:
        return (pretrained.origin, _UNKNOWN_IMAGES)
    heights, widths = (np.median(inspected.decoded.headers[side]) for side in ("height", "width"))
    if data.size is not None or 2 * min(heights, widths) > min(pretrained.height, pretrained.width):
        return (pretrained.origin,)
    return (
        pretrained.origin,
        f"Images of {heights:.0f} × {widths:.0f} pixels (median) are enlarged to {pretrained.height} × "
        f"{pretrained.width}, as the network was trained; data.size=[height,width] with less is faster.",
    )


def _origin(backbone: str, weights: str | None) -> str:
    if weights is None:
        return f"{backbone} starts from random weights."
    return f"{backbone} starts from the weights of its {weights}."


def refuse_trained_images(pretrained: PretrainedNetwork | None, splits: "Splits") -> None:
    """Refuse to judge a network by images that it was trained on in an earlier run.

    Raises:
        DataError: there are such images in the validation, calibration or test split.

    """
    if pretrained is None or pretrained.trained_on is None:
        return
    known = {name: np.isin(_digests(splits[name]), pretrained.trained_on) for name in SPLIT_NAMES[1:]}
    if not any(found.any() for found in known.values()):
        return
    counts = listed(f"{int(found.sum()):,} of {len(found):,} {name}" for name, found in known.items() if found.any())
    files = [splits[name].files[place] for name, found in known.items() for place in np.flatnonzero(found).tolist()]
    raise DataError(
        f"A run that continues from another must not be judged by images that its network has learned; {counts} images "
        f"were trained on there: {listed(files)}. Give it the split of that run (data.split_seed and the shares), or "
        "images that it has not seen."
    )


def trained_on(pretrained: PretrainedNetwork | None, splits: "Splits") -> NDArray[np.uint64]:
    """Return the sorted digests of all images that a finished network was trained on, here and in earlier runs."""
    before = None if pretrained is None else pretrained.trained_on
    return np.union1d(_digests(splits.train), np.empty(0, np.uint64) if before is None else before)


def _digests(split: "Split") -> NDArray[np.uint64]:
    """Return the digests of a split's images as numbers, (N,)."""
    return as_numbers(image_digests(split.images, split.rows.tolist()))


def data_for(data: DataConfig, pretrained: PretrainedNetwork | None) -> DataConfig:
    """Return the settings by which images are read for a network: a pretrained one decides what they leave open.

    Raises:
        ConfigError: the network takes no images of the size or colour that is set.

    """
    if pretrained is None:
        return data
    return dataclasses.replace(
        data,
        size=_size(data, pretrained),
        color=_color(data, pretrained),
        resize=pretrained.resize if data.resize == "auto" and pretrained.resize else data.resize,
    )


def _size(data: DataConfig, pretrained: PretrainedNetwork) -> list[int]:
    own = [pretrained.height, pretrained.width]
    if data.size is None:
        return own
    if pretrained.smallest is None and list(data.size) != own:
        raise ConfigError(
            f"data.size must be {own}, the input of the network that the run continues from; got {list(data.size)}. "
            "Leave data.size out."
        )
    if min(data.size) < (pretrained.smallest or 0):
        raise ConfigError(
            f"data.size must be at least {pretrained.smallest} pixels on each side for this network; got "
            f"{list(data.size)}. Leave data.size out: the images are then enlarged to {own}, as it was trained."
        )
    return list(data.size)


def _color(data: DataConfig, pretrained: PretrainedNetwork) -> str:
    if data.color not in ("auto", pretrained.color):
        raise ConfigError(
            f"data.color must be auto or {pretrained.color} for this network; got {data.color!r}. Leave data.color "
            "out: grey images become three equal channels for a network that takes colours."
        )
    return pretrained.color
