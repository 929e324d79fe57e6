"""Config-driven CNN experiments on images: ``python -m cnnexp``, and the same from a Python program or a notebook."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnnexp.api import (
        ComparedRuns,
        LoadedModel,
        Run,
        Sweep,
        compare,
        create_cnn_with_dropout,
        evaluate_model,
        get_run,
        get_sweep,
        load,
        preprocess_image,
        run,
        sweep,
    )

# A run's numbers depend on TensorFlow's kernels, and its own rule for oneDNN's goes by processor flags: without them
# small convolutions are much slower. Set here, because it is read when TensorFlow is imported.
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")

__version__ = "0.1.0"
__all__ = [
    "ComparedRuns",
    "LoadedModel",
    "Run",
    "Sweep",
    "compare",
    "create_cnn_with_dropout",
    "evaluate_model",
    "get_run",
    "get_sweep",
    "load",
    "preprocess_image",
    "run",
    "sweep",
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
