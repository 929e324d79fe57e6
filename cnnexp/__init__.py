"""Config-driven CNN experiments on images: ``python -m cnnexp``, and three functions for a notebook."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnnexp.api import create_cnn_with_dropout, evaluate_model, preprocess_image

# A run's numbers depend on TensorFlow's kernels, and its own rule for oneDNN's goes by processor flags: without them
# small convolutions are much slower. Set here, because it is read when TensorFlow is imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

__version__ = "0.1.0"
__all__ = ["create_cnn_with_dropout", "evaluate_model", "preprocess_image"]


def __getattr__(name: str) -> object:
    """Import the notebook functions, and with them TensorFlow, only when one is asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from cnnexp import api

    function: object = getattr(api, name)
    return function
