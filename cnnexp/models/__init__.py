"""Networks: the architectures of ``conf/model``, built from Keras layers, and pretrained backbones."""

from typing import TYPE_CHECKING

from cnnexp.models.names import LOGITS, SCALING_LAYER

if TYPE_CHECKING:
    from cnnexp.models.backbones.build import set_pretrained_weights
    from cnnexp.models.network import build_model
    from cnnexp.models.regularization import Regularization

__all__ = ["LOGITS", "SCALING_LAYER", "Regularization", "build_model", "set_pretrained_weights"]


def __getattr__(name: str) -> object:
    """Import Keras when a network is first needed: a sweep looks for weights without it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from cnnexp.models import network, regularization
    from cnnexp.models.backbones import build

    owner = {"Regularization": regularization, "set_pretrained_weights": build}.get(name, network)
    attribute: object = getattr(owner, name)
    return attribute
