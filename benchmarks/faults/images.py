"""How often a fault of one image, or of twenty, is named: by a trained model, for injected faults and none at all.

    python -m benchmarks.faults.images MODEL SUBJECTS [--foreign FOLDER ...] [--each 40] [--json raw.json]

MODEL is an exported folder, SUBJECTS one folder of images a class, none of which the model was trained on. Every fault
of `image_faults` is injected into the same images, which are saved as PNG files and diagnosed as a person would: one
by one, and in sets of 20. Strict: a name counts if it is the only one and right; a list that holds the right name
counts as listed, whatever its order. Faults that the product has no name for count as right where nothing is named.
"""

import argparse
import json
import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.faults.image_faults import FAULTS, foreign
from benchmarks.faults.image_table import SCORES, score
from benchmarks.faults.intervals import wilson
from cnnexp.diagnosis.image.detector import recognized
from cnnexp.portable.classifier import Classifier
from cnnexp.saved import ListedImage, open_model
from cnnexp.saved.held_out import HeldOut, travelling
from cnnexp.saved.image_diagnosis import diagnose_images
from cnnexp.saved.mismatches import Mismatches, mismatches_of
from cnnexp.system import quiet

SET = 20
MISMATCH = "I3"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("subjects", type=Path)
    parser.add_argument("--foreign", type=Path, nargs="*", default=())
    parser.add_argument("--each", type=int, default=40, help="images for each fault")
    parser.add_argument("--clean", type=int, default=300, help="images without a fault")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    quiet.set_environment()
    quiet.import_tensorflow()
    model = open_model(asked.model)
    held_out = travelling(model)
    assert held_out is not None, "too few images travel with this model"
    rows = list(measure(model, held_out, asked.subjects, asked.foreign, each=asked.each, clean=asked.clean))
    if asked.json:
        asked.json.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    print_rows(rows)


def measure(
    model: Classifier,
    held_out: HeldOut,
    subjects: Path,
    others: Sequence[Path],
    *,
    each: int,
    clean: int,
    seed: int = 0,
    known: Sequence[dict] = (),
    until: float = math.inf,
) -> Iterator[dict]:
    """Yield a row for each fault: what was named for each image and each set.

    Rows that are `known` are not made again. After `until`, by `time.monotonic`, no other one is begun.
    """
    began, fits = (time.monotonic(), time.process_time()), []
    mismatches = mismatches_of(model, held_out, on_fit=lambda: fits.append(1))
    if fits:
        wall, busy = (now - before for now, before in zip((time.monotonic(), time.process_time()), began, strict=True))
        print(f"fitted in {wall:.0f} s, {busy:.0f} s of processor", flush=True)
    told = recognized(mismatches.detector)
    done = {row["fault"]: row for row in known}
    for name, kind, right, images in _cases(model, subjects, others, each=each, clean=clean, seed=seed):
        if name in done:
            yield done[name]
        elif time.monotonic() < until:
            singles, sets = _diagnosed(model, mismatches, images)
            yield {
                "fault": name,
                "kind": kind,
                "right": list(right),
                "identifiable": max((told.get(one, 1.0) for one in right), default=1.0),
                "images": singles,
                "sets": sets,
            }


Case = tuple[str, str, Sequence[str], Sequence[np.ndarray]]  # name, kind, right names, images


def _cases(
    model: Classifier, subjects: Path, others: Sequence[Path], *, each: int, clean: int, seed: int
) -> Iterator[Case]:
    """Yield the images of each fault, always the same ones for a seed, whatever is done with them."""
    colour = model.card.image.color == "rgb"
    generator = np.random.default_rng(16 + seed)
    images = _images(subjects, max(each, clean), colour, generator)
    yield "none", "clean", (), images[:clean]
    for fault in FAULTS:
        if colour or not fault.colour:
            changed = [np.ascontiguousarray(fault.inject(image, generator)) for image in images[:each]]
            yield fault.name, "named" if fault.right else "unnamed", fault.right, changed
    strangers = {name: list(given) for name, given in foreign(colour, generator).items()}
    strangers |= {str(other.parent.name): _images(other, each, colour, generator) for other in others}
    for name, given in strangers.items():
        yield name, "foreign", (), given[:each]


def _diagnosed(
    model: Classifier, mismatches: Mismatches, images: Sequence[np.ndarray]
) -> tuple[list[list[str]], list[list[str]]]:
    """Return what is named for each image, and for each set of them."""
    singles, sets = [], []
    with tempfile.TemporaryDirectory() as temporary:
        items = [_saved(Path(temporary) / f"{place}.png", image) for place, image in enumerate(images)]
        for start in range(0, len(items), SET):
            chosen = items[start : start + SET]
            found = diagnose_images(model, chosen, mismatches=mismatches, recorded=None, true_label=None)
            singles += [_named(image.verdict) for image in found.images]
            if len(chosen) == SET and found.together is not None:
                sets.append(_named(found.together.verdict))
    return singles, sets


def _images(folder: Path, count: int, colour: bool, generator: np.random.Generator) -> list[np.ndarray]:
    files = sorted(folder.glob("*/*"))
    chosen = [files[place] for place in generator.permutation(len(files))[:count]]
    arrays = [np.asarray(Image.open(file).convert("RGB" if colour else "L")) for file in chosen]
    return [array if array.ndim == 3 else array[..., None] for array in arrays]


def _saved(path: Path, image: np.ndarray) -> ListedImage:
    Image.fromarray(image.squeeze()).save(path)
    return ListedImage(str(path), path)


def _named(verdict) -> list[str]:
    """Return the mismatches that a verdict names, the first one first."""
    return verdict.title.split(" or ") if verdict is not None and verdict.id == MISMATCH else []


def print_rows(rows: Sequence[dict]) -> None:
    """Print a line for each fault, and one for each kind of them."""
    print(f"{'':20} {'single':32} {'sets of 20'}")
    for row in rows:
        cells = [_shares([score(named, row["right"]) for named in row[part]]) for part in ("images", "sets")]
        print(f"{row['fault']:20} {cells[0]:32} {cells[1]}")
    for kind, part in [
        (kind, part) for kind in ("named", "unnamed", "clean", "foreign") for part in ("images", "sets")
    ]:
        scores = [score(named, row["right"]) for row in rows if row["kind"] == kind for named in row[part]]
        if scores:
            print(f"{kind:8} {part:7} of {len(scores):5}: {_intervals(scores)}")


def _shares(scores: Sequence[str]) -> str:
    return (
        " ".join(f"{word} {scores.count(word) / len(scores):.2f}" for word in ("right", "listed", "wrong"))
        if scores
        else ""
    )


def _intervals(scores: Sequence[str]) -> str:
    parts = []
    for word in SCORES:
        low, high = wilson(scores.count(word), len(scores))
        parts.append(f"{word} {scores.count(word) / len(scores):.3f} [{low:.3f}, {high:.3f}]")
    return ", ".join(parts)


if __name__ == "__main__":
    main()
