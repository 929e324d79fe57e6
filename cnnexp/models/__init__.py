"""Networks: the architectures of ``conf/model``, built from Keras layers."""

from cnnexp.models.zoo import LOGITS, SCALING_LAYER, Regularization, build_model

__all__ = ["LOGITS", "SCALING_LAYER", "Regularization", "build_model"]
