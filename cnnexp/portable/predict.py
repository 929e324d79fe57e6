"""Classify images: ``python predict.py IMAGE ...``.

This script is in an exported folder, beside the model and the package ``reader``, and needs Keras on TensorFlow, NumPy
and Pillow. It prints one JSON object per image. Exit code 0: every image was answered; 1: some could not be read, or
the model no longer gives its recorded answers.

In a program of your own::

    from pathlib import Path
    from reader.portable.classifier import load
    from reader.images import read_image

    model = load(Path("the exported folder"))  # raises UnfitModelError if its answers differ from the recorded ones
    pixels = read_image("photo.jpg", model.card.image)  # uint8 (H, W, C)
    probabilities, features = model.forward(pixels[None])
"""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cnnexp.portable.classifier import Classifier


def main() -> int:
    """Classify the images of the command line; return the exit code."""
    parser = argparse.ArgumentParser(description="Classify images.")
    parser.add_argument("images", nargs="+", metavar="IMAGE")
    parser.add_argument("--coverage", type=_share, default=0.9, help="share of images whose class is in the set")
    options = parser.parse_args()
    _import_tensorflow()
    from reader.portable.card import UnfitModelError  # type: ignore[import-not-found]
    from reader.portable.classifier import load  # type: ignore[import-not-found]

    try:
        model = load(Path(__file__).resolve().parent)
    except UnfitModelError as error:
        print(error, file=sys.stderr)
        return 1
    answers = [_answer(model, name, options.coverage) for name in options.images]
    return int(any("error" in answer for answer in answers))


def _share(text: str) -> float:
    """Return a number above 0 and below 1; argparse prints the error."""
    try:
        share = float(text)
    except ValueError:
        share = 0.0
    if not 0 < share < 1:
        raise argparse.ArgumentTypeError(f"must be above 0 and below 1, such as 0.9; got {text}")
    return share


def _import_tensorflow() -> None:
    """Import TensorFlow without what it prints about itself and about GPUs that are not there."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # or it would take all memory of a GPU
    stderr = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import tensorflow as tf

        tf.config.list_physical_devices()
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


def _answer(model: "Classifier", name: str, coverage: float) -> dict[str, Any]:
    from reader.images import UnreadableImageError, read_image  # type: ignore[import-not-found]

    try:
        pixels = read_image(name, model.card.image)
    except UnreadableImageError as error:
        answer: dict[str, Any] = {"file": name, "error": str(error)}
    else:
        answer = {"file": name} | _classified(model, pixels, coverage)
    print(json.dumps(answer), flush=True)
    return answer


def _classified(model: "Classifier", pixels: "NDArray[np.uint8]", coverage: float) -> dict[str, Any]:
    from reader.portable.decision import decide  # type: ignore[import-not-found]
    from reader.portable.reference import minimum_probability, prediction_sets  # type: ignore[import-not-found]

    probabilities, features = model.forward(pixels[None])
    names = model.card.class_names
    chosen = prediction_sets(probabilities, minimum_probability(model.reference.label_scores, coverage))[0]
    p_values = model.reference.p_values(features, pixels[None])
    row = probabilities[0].tolist()
    answer = int(decide(probabilities, names, model.card.decision)[0])
    return {
        "label": names[answer],
        "probability": row[answer],
        "prediction_set": [name for name, is_in in zip(names, chosen, strict=True) if is_in],
        "p_value": None if p_values is None else float(p_values[0]),
        "unlike": p_values is not None and bool(p_values[0] < model.card.thresholds.unlike_p),
        "probabilities": dict(zip(names, row, strict=True)),
    }


if __name__ == "__main__":
    sys.exit(main())
