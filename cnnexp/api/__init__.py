"""What a Python program or a notebook calls; ``import cnnexp`` gives the same names.

A name is imported when it is first used: running, sweeping and comparing never import TensorFlow into the program that
asks for them.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnnexp.api.compared_runs import ComparedRuns, compare
    from cnnexp.api.keras_functions import create_cnn_with_dropout, evaluate_model, preprocess_image
    from cnnexp.api.launching import run, sweep
    from cnnexp.api.loaded_model import LoadedModel, load
    from cnnexp.api.recorded_run import Run, get_run
    from cnnexp.api.recorded_sweep import Sweep, get_sweep

_HOMES = {
    "ComparedRuns": "compared_runs",
    "LoadedModel": "loaded_model",
    "Run": "recorded_run",
    "Sweep": "recorded_sweep",
    "compare": "compared_runs",
    "create_cnn_with_dropout": "keras_functions",
    "evaluate_model": "keras_functions",
    "get_run": "recorded_run",
    "get_sweep": "recorded_sweep",
    "load": "loaded_model",
    "preprocess_image": "keras_functions",
    "run": "launching",
    "sweep": "launching",
}

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
    """Import a name from its module, and with it what that needs."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"cnnexp.api.{_HOMES[name]}"), name)
    return found
