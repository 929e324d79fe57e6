"""Networks: the architectures of ``conf/model``, built from Keras layers, and pretrained backbones."""

from importlib import import_module
from typing import TYPE_CHECKING

from cnnexp.models.names import LOGITS, SCALING_LAYER

if TYPE_CHECKING:
    from cnnexp.models.backbones.build import set_pretrained_weights
    from cnnexp.models.blocks import backbone_blocks, rate_factors, require_blocks, trained_variables
    from cnnexp.models.ensemble import mean_of
    from cnnexp.models.fast_layers import with_fast_layers
    from cnnexp.models.head import SplitModel, copy_of_head, load_head, split
    from cnnexp.models.heat_maps import HeatMap, HeatMapper, heat_mapper
    from cnnexp.models.network import build_model
    from cnnexp.models.network_facts import after_training, examine_network, fingerprints
    from cnnexp.models.network_repairs import drawn_again, trainable_again, with_activations, without_saturation
    from cnnexp.models.regularization import Regularization
    from cnnexp.models.variants import at_size, with_views
    from cnnexp.models.whitening import whiten

_OWNERS = {
    "with_activations": "network_repairs",
    "without_saturation": "network_repairs",
    "trainable_again": "network_repairs",
    "drawn_again": "network_repairs",
    "examine_network": "network_facts",
    "fingerprints": "network_facts",
    "after_training": "network_facts",
    "HeatMap": "heat_maps",
    "HeatMapper": "heat_maps",
    "Regularization": "regularization",
    "SplitModel": "head",
    "at_size": "variants",
    "backbone_blocks": "blocks",
    "build_model": "network",
    "copy_of_head": "head",
    "heat_mapper": "heat_maps",
    "load_head": "head",
    "mean_of": "ensemble",
    "rate_factors": "blocks",
    "require_blocks": "blocks",
    "set_pretrained_weights": "backbones.build",
    "split": "head",
    "trained_variables": "blocks",
    "with_fast_layers": "fast_layers",
    "with_views": "variants",
    "whiten": "whitening",
}
__all__ = [
    "LOGITS",
    "SCALING_LAYER",
    "HeatMap",
    "HeatMapper",
    "Regularization",
    "SplitModel",
    "after_training",
    "at_size",
    "backbone_blocks",
    "build_model",
    "copy_of_head",
    "drawn_again",
    "examine_network",
    "fingerprints",
    "heat_mapper",
    "load_head",
    "mean_of",
    "rate_factors",
    "require_blocks",
    "set_pretrained_weights",
    "split",
    "trainable_again",
    "trained_variables",
    "whiten",
    "with_activations",
    "with_fast_layers",
    "with_views",
    "without_saturation",
]


def __getattr__(name: str) -> object:
    """Import Keras when a network is first needed: a sweep looks for weights without it."""
    if name not in _OWNERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"cnnexp.models.{_OWNERS[name]}"), name)
