"""Config-driven CNN experiments on images: ``python -m cnnexp``, and the same from a Python program or a notebook."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnnexp.api import (
        ComparedRuns,
        LoadedModel,
        compare,
        create_cnn_with_dropout,
        evaluate_model,
        load,
        preprocess_image,
    )

# A run's numbers depend on TensorFlow's kernels, and its own rule for oneDNN's goes by processor flags: without them
# small convolutions are much slower. Set here, because it is read when TensorFlow is imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

__version__ = "0.1.0"
__all__ = [
    "ComparedRuns",
    "LoadedModel",
    "compare",
    "create_cnn_with_dropout",
    "evaluate_model",
    "load",
    "preprocess_image",
]


def __getattr__(name: str) -> object:
    """Import a name of `cnnexp.api` when it is first asked for."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from cnnexp import api

    found: object = getattr(api, name)
    return found


def __dir__() -> list[str]:
    """Offer what is imported on demand, too."""
    return sorted({*globals(), *__all__})
