"""The network that a run starts from, found before the data are read, and what it asks of them; without Keras."""

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from cnnexp.config import DataConfig, ModelConfig, PretrainedConfig
from cnnexp.config.backbones import BACKBONES
from cnnexp.errors import ConfigError
from cnnexp.models.backbones.weights import find_weights
from cnnexp.records import PretrainedNetwork, Scaling

if TYPE_CHECKING:
    from cnnexp.datasets import InspectedDataset


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
        scaling=Scaling("model", backbone.preprocessing.scale, backbone.preprocessing.offset),
        values_per_pixel=backbone.values_per_pixel,
        weights=None if weights is None else weights.path,
        digest=None if weights is None else weights.digest,
        origin=_origin(model.backbone, None if weights is None else weights.origin),
    )


def notes_on(pretrained: PretrainedNetwork | None, inspected: "InspectedDataset", data: DataConfig) -> tuple[str, ...]:
    """Say where the weights are from, and that images are enlarged a lot where `data` leaves their size open."""
    if pretrained is None:
        return ()
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


def data_for(data: DataConfig, pretrained: PretrainedNetwork | None) -> DataConfig:
    """Return the settings by which images are read for a network: a pretrained one decides what they leave open.

    Raises:
        ConfigError: the network takes no images of the size that is set.

    """
    if pretrained is None:
        return data
    size = [pretrained.height, pretrained.width] if data.size is None else data.size
    if min(size) < pretrained.smallest:
        raise ConfigError(
            f"data.size must be at least {pretrained.smallest} pixels on each side for this network; got {size}. "
            "Leave data.size out: the images are then enlarged to what the network was trained on."
        )
    return dataclasses.replace(data, size=size, color="rgb")
