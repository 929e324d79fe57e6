"""Numbers that baselines ask for beside the curves, as far as the record of a run holds them."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np


def signals_of(run: Any) -> Mapping[str, float]:
    """Return what the record of a `cnnexp.Run` says of its inputs, classes and learning rate.

    Gradients and activations while it trained are in no record: baselines are not given them.
    """
    card, report = (json.loads(run._read(name)) for name in ("card.json", "data_report.json"))
    counts = [count for count in report["class_counts"]["train"] if count]
    scale, offset = (np.array(card["scaling"][name], float) for name in ("scale", "offset"))
    return {
        "largest_input": float(np.abs(np.stack([offset, 255 * scale + offset])).max()),
        "mean_input": float(np.abs(np.array(card["training_pixels"]["mean"]) * scale + offset).max()),
        "class_ratio": max(counts) / min(counts),
        "learning_rate": float(run.settings["optimizer.learning_rate"]),
    }
