"""The faults that come after training: what was recorded is not what was trained, or not on the data that are there."""

from pathlib import Path

import numpy as np

from benchmarks.faults.data_sets import Places, load
from benchmarks.faults.image_changes import Random


def tamper(how: str, *, model: Path, data_file: Path, data_name: str, places: Places, random: Random) -> None:
    """Change the file of a model, or the data that the run was trained on."""
    kind, _, amount = how.partition(":")
    if kind == "other_data":
        load(data_name, places, seed=int(random.integers(10_000, 20_000))).save(data_file)
        return
    change = {
        "weights_in_wrong_order": _in_wrong_order,
        "other_weights": lambda weight: random.permutation(weight.ravel()).reshape(weight.shape),
        "noisy_weights": lambda weight: _noisy(weight, float(amount), random),
    }[kind]
    _rewrite(model, change)


def _in_wrong_order(weight: np.ndarray) -> np.ndarray:
    """Return the numbers of a weight as a reader gets them that ignores in which order its axes were written."""
    return np.ascontiguousarray(weight.T).reshape(weight.shape)


def _noisy(weight: np.ndarray, share: float, random: Random) -> np.ndarray:
    hit = random.random(weight.shape) < share
    return np.where(hit, random.normal(0, 3 * weight.std() + 1e-3, weight.shape), weight)


def _rewrite(file: Path, change: object) -> None:
    import keras

    model = keras.saving.load_model(file, compile=False)
    for layer in model.layers:
        if layer.weights and layer.weights[0].ndim > 1:
            kernel, *others = layer.get_weights()
            layer.set_weights([change(kernel).astype(kernel.dtype), *others])
    model.save(file)
