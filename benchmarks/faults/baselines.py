"""What four published rules say of a run, re-implemented from their descriptions; each returns an id or None.

Every rule gets the curves of a run and the signals of `finished.Finished`. What it would need beside them is named
here, because it was not given: it says nothing about that.

UMLAUT (Schoop et al., CHI 2021)             given all of its rules that follow here
AutoTrainer (Zhang et al., ICSE 2021)        not given gradients: no vanishing, exploding or dying-ReLU detector
SageMaker Debugger (built-in rules)          not given activations and gradients: no dead ReLU, no vanishing gradient
the most frequent fault                      missing preprocessing (Humbatova et al., ICSE 2020): says P1 of every run
"""

from collections.abc import Callable, Mapping

import numpy as np

from benchmarks.faults.records import CaseRecord

HIGH_VALIDATION = 0.95  # UMLAUT: suspiciously high, check for leaks
LARGEST_INPUT = 1.0
RATES = (1e-7, 1e-2)
SWING, SWINGS = 0.03, 0.2  # AutoTrainer: an accuracy falls by so much, in so large a share of the epochs
BAD_ACCURACY = 0.7
OVERFIT_RATIO, LEAST_FALL, STEPS, CLASS_RATIO, LARGEST_MEAN = 0.1, 0.001, 10, 10.0, 0.2  # SageMaker Debugger


def umlaut(record: CaseRecord) -> str | None:
    """Return the first warning of UMLAUT, in the order of its rules."""
    signals, train, val = record.signals, record.curves.get("train/loss", []), record.curves.get("val/loss", [])
    if signals.get("largest_input", 0.0) > LARGEST_INPUT + 1e-6:
        return "P1"
    rate = signals.get("learning_rate", 1e-3)
    if not RATES[0] <= rate <= RATES[1]:
        return "T1" if rate > RATES[1] else "T2"
    if max(record.curves.get("val/accuracy", [0.0]), default=0.0) > HIGH_VALIDATION:
        return "S1"
    train_falls, val_rises = np.diff(train) < 0, np.diff(val) > 0
    return "M2" if (train_falls & val_rises).any() else None


def auto_trainer(record: CaseRecord) -> str | None:
    """Return the problem that AutoTrainer finds in the curves: an oscillating or a slow training."""
    accuracies = np.array(record.curves.get("train/accuracy", []))
    if len(accuracies) > 1:
        falls = -np.diff(accuracies) >= SWING
        if falls.mean() >= SWINGS:
            return "T1"
    return "T2" if len(accuracies) and accuracies.max() < BAD_ACCURACY else None


def sagemaker(record: CaseRecord) -> str | None:
    """Return the first rule of SageMaker Debugger that fires; its ten steps are epochs here."""
    signals, train, val = record.signals, record.curves.get("train/loss", []), record.curves.get("val/loss", [])
    if signals.get("mean_input", 0.0) > LARGEST_MEAN:
        return "P1"
    if signals.get("class_ratio", 1.0) > CLASS_RATIO:
        return "E1"
    if train and val and (val[-1] - train[-1]) / max(train[-1], 1e-9) > OVERFIT_RATIO:
        return "M2"
    if len(train) > STEPS and (train[-STEPS - 1] - train[-1]) / max(train[-STEPS - 1], 1e-9) < LEAST_FALL:
        return "T2"
    return None


def most_frequent(_: CaseRecord) -> str | None:
    """Return missing preprocessing, the most frequent fault of interviews with developers."""
    return "P1"


BASELINES: Mapping[str, Callable[[CaseRecord], str | None]] = {
    "UMLAUT": umlaut,
    "AutoTrainer": auto_trainer,
    "SageMaker Debugger": sagemaker,
    "most frequent": most_frequent,
}
