"""From a folder of photographs to batches, against `keras.utils.image_dataset_from_directory`.

    python benchmarks/reading.py FOLDER 64            # a folder a class; every image becomes 64 × 64 × 3
    python benchmarks/reading.py --made 3000 64       # 500 × 375 JPEG files, made here in a temporary folder

Ours, first pass: find the files, decode them into a new cache, look for copies, split, and gather every image once in
batches of 128.
Ours, later epochs: gather every image in a new random order from the memory-mapped cache, in batches of 128.
Keras, every pass: decode and resize (bilinear, without antialias; ours is with) while iterating, in batches of 128,
shuffled, with its default parallelism and prefetching; the first pass includes finding the files.

Each side runs in a process of its own, in turn; imports are not counted. CPU seconds, of all processes of a side, are
told beside the wall clock, which means little while other work runs on the machine.
"""

import argparse
import json
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

import measuring
import numpy as np

BATCH = 128
LATER = 3  # passes after the first


def ours(folder: Path, side: int) -> list[tuple[float, float]]:
    from cnnexp.compose import compose_config
    from cnnexp.datasets import load_splits

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as cache:
        words = ["data=folder", f"data.path={folder}", f"data.size=[{side},{side}]", "data.color=rgb"]
        data = compose_config([*words, "data.resize=stretch", f"data.cache={cache}", "data.on_bad_file=skip"]).data
        splits = None

        def one_pass() -> int:
            nonlocal splits
            splits = splits or load_splits(data, seed=0, on_progress=lambda *_: None)
            images = splits.train.images
            rows = rng.permutation(len(images))
            return sum(len(images[rows[start : start + BATCH]]) for start in range(0, len(rows), BATCH))

        return [_timed(one_pass) for _ in range(1 + LATER)]


def keras_directory(folder: Path, side: int) -> list[tuple[float, float]]:
    import keras

    dataset = None

    def one_pass() -> int:
        nonlocal dataset
        dataset = dataset or keras.utils.image_dataset_from_directory(
            folder, image_size=(side, side), batch_size=BATCH, verbose=False
        )
        return sum(len(labels) for _, labels in dataset)

    return [_timed(one_pass) for _ in range(1 + LATER)]


def _timed(one_pass) -> tuple[float, float]:
    """Return microseconds an image, by the clock and of the processors."""
    wall, processors = time.perf_counter(), _processor_seconds()
    count = one_pass()
    return (time.perf_counter() - wall) / count * 1e6, (_processor_seconds() - processors) / count * 1e6


def _processor_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def make(folder: Path, count: int) -> Path:
    """Write JPEG files of 500 × 375 pixels: coloured clouds with some noise, about 45 kB each as photographs are."""
    from PIL import Image

    rng = np.random.default_rng(0)
    for number in range(count):
        clouds = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
        noise = rng.integers(0, 256, (188, 250, 3), dtype=np.uint8)
        layers = [Image.fromarray(layer).resize((500, 375), Image.Resampling.BICUBIC) for layer in (clouds, noise)]
        path = folder / "ab"[number % 2] / f"{number:05d}.jpg"
        path.parent.mkdir(exist_ok=True)
        Image.blend(*layers, 0.12).save(path, quality=90)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("side", type=int)
    parser.add_argument("--made", type=int, help="make so many photographs instead of reading a folder")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--of", choices=("ours", "keras"), help="used by the benchmark itself")
    asked = parser.parse_args()
    if asked.of:
        print(json.dumps({"ours": ours, "keras": keras_directory}[asked.of](asked.folder, asked.side)))
        return
    print(measuring.machine())
    with tempfile.TemporaryDirectory() as made:
        folder = make(Path(made), asked.made) if asked.made else asked.folder
        rounds = [{of: _run(of, folder, asked.side) for of in ("ours", "keras")} for _ in range(asked.rounds)]
    for place, clock in enumerate(("wall", "CPU")):
        for name, part in (("first pass", slice(0, 1)), ("later epochs", slice(1, None))):
            _tell(f"{name}, {clock}", [{of: _median(took[part], place) for of, took in one.items()} for one in rounds])


def _run(of: str, folder: Path, side: int) -> list[list[float]]:
    command = [sys.executable, __file__, str(folder), str(side), "--of", of]
    _, output = measuring.seconds(command, cwd=Path.cwd(), env={"TF_CPP_MIN_LOG_LEVEL": "3"})
    return json.loads(output.splitlines()[-1])


def _median(took: list[list[float]], place: int) -> float:
    return statistics.median(one[place] for one in took)


def _tell(what: str, rounds: list[dict[str, float]]) -> None:
    for of in ("ours", "keras"):
        print(f"{what}, {of}: {measuring.spread([one[of] for one in rounds], ' µs an image')}")
    print(f"{what}: ours is {measuring.spread([one['keras'] / one['ours'] for one in rounds])} times as quick")


if __name__ == "__main__":
    main()
