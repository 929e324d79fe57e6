"""Say what is on images: ``python predict.py IMAGE ...``.

Stands in an exported folder, beside the model and the package ``reader``, and needs Keras on TensorFlow, NumPy and
Pillow. Prints one JSON object an image. Exit code 0: every image was answered; 1: some could not be read, or the model
no longer answers as it was recorded.

In a program of your own::

    from pathlib import Path
    from reader.portable.classifier import load
    from reader.images import read_image

    model = load(Path("the exported folder"))  # raises UnfitModelError if its answers have moved
    pixels = read_image("photo.jpg", model.card.image)  # uint8 (H, W, C)
    probabilities, features = model.forward(pixels[None])
"""

import argparse
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from cnnexp.portable.classifier import Classifier


def main() -> int:
    """Answer the images of the command line; return the exit code."""
    parser = argparse.ArgumentParser(description="Say what is on images.")
    parser.add_argument("images", nargs="+", metavar="IMAGE")
    parser.add_argument("--coverage", type=float, default=0.9, help="share of images whose class is in the set")
    words = parser.parse_args()
    from reader.portable.card import UnfitModelError  # type: ignore[import-not-found]
    from reader.portable.classifier import load  # type: ignore[import-not-found]

    try:
        model = load(Path(__file__).resolve().parent)
    except UnfitModelError as error:
        print(error, file=sys.stderr)
        return 1
    answers = [_answer(model, name, words.coverage) for name in words.images]
    return int(any("error" in answer for answer in answers))


def _answer(model: "Classifier", name: str, coverage: float) -> dict[str, Any]:
    from reader.images import UnreadableImageError, read_image  # type: ignore[import-not-found]

    try:
        pixels = read_image(name, model.card.image)
    except UnreadableImageError as error:
        answer: dict[str, Any] = {"file": name, "error": str(error)}
    else:
        answer = {"file": name} | _said(model, pixels, coverage)
    print(json.dumps(answer), flush=True)
    return answer


def _said(model: "Classifier", pixels: "NDArray[np.uint8]", coverage: float) -> dict[str, Any]:
    from reader.portable.reference import least_probability, prediction_sets  # type: ignore[import-not-found]

    probabilities, features = model.forward(pixels[None])
    names = model.card.class_names
    chosen = prediction_sets(probabilities, least_probability(model.reference.label_scores, coverage))[0]
    p_values = model.reference.p_values(features, pixels[None])
    row = probabilities[0].tolist()
    return {
        "label": names[row.index(max(row))],
        "probability": max(row),
        "prediction_set": [name for name, is_in in zip(names, chosen, strict=True) if is_in],
        "p_value": None if p_values is None else float(p_values[0]),
        "unlike": p_values is not None and bool(p_values[0] < model.card.thresholds.unlike_p),
        "probabilities": dict(zip(names, row, strict=True)),
    }


if __name__ == "__main__":
    sys.exit(main())
