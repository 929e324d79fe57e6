"""How good predictions are: metrics with intervals, and calibration. NumPy, SciPy and scikit-learn, no Keras."""

from typing import TYPE_CHECKING

from cnnexp.evaluation.bootstrap import BLOCK, Counts, MetricResampler, draw_counts
from cnnexp.evaluation.calibration import (
    MINIMUM_IMAGES,
    ece_of_a_calibrated_model,
    expected_calibration_error,
    fit_temperature,
)
from cnnexp.evaluation.decision_threshold import choose_threshold, fewest_positives
from cnnexp.evaluation.outputs import output_statistics

if TYPE_CHECKING:
    from cnnexp.evaluation.metrics import evaluate

__all__ = [
    "BLOCK",
    "MINIMUM_IMAGES",
    "Counts",
    "MetricResampler",
    "choose_threshold",
    "draw_counts",
    "ece_of_a_calibrated_model",
    "evaluate",
    "expected_calibration_error",
    "fewest_positives",
    "fit_temperature",
    "output_statistics",
]


def __getattr__(name: str) -> object:
    """Import `evaluate`, and with it scikit-learn, only when it is used: comparing and diagnosing need neither."""
    if name != "evaluate":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from cnnexp.evaluation.metrics import evaluate

    return evaluate
