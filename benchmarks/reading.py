"""From a folder of photographs to batches, against `keras.utils.image_dataset_from_directory`.

    python benchmarks/reading.py FOLDER 64            # one folder per class; every image becomes 64 × 64 × 3
    python benchmarks/reading.py --made 3000 64       # 500 × 375 JPEG files, made here in a temporary folder

cnnexp, first pass: find the files, decode them into a new cache, look for duplicates, split, and gather every image
once in batches of 128.
cnnexp, later epochs: gather every image in a new random order from the memory-mapped cache, in batches of 128.
Keras, every pass: decode and resize while iterating, in batches of 128, shuffled, with its default parallelism and
prefetching; the first pass includes finding the files. Both resize bilinearly, only cnnexp with antialiasing.

The two sides run in turn, each in its own process; imports are not counted. CPU seconds of all processes of a side are
printed too, because wall time means little while other work runs on the machine.
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
TOOLS = ("cnnexp", "keras")
LATER = 3  # passes after the first


def cnnexp_cache(folder: Path, side: int) -> list[tuple[float, float]]:
    from cnnexp.compose import compose_config
    from cnnexp.datasets import load_splits

    rng = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as cache:
        overrides = ["data=folder", f"data.path={folder}", f"data.size=[{side},{side}]", "data.color=rgb"]
        data = compose_config([*overrides, "data.resize=stretch", f"data.cache={cache}", "data.on_bad_file=skip"]).data
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
    """Return wall and CPU microseconds per image."""
    wall, processors = time.perf_counter(), _processor_seconds()
    count = one_pass()
    return (time.perf_counter() - wall) / count * 1e6, (_processor_seconds() - processors) / count * 1e6


def _processor_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def make(folder: Path, count: int) -> Path:
    """Write JPEG files of 500 × 375 pixels: coloured clouds with some noise, about 45 kB each, as photographs have."""
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
    parser.add_argument("--made", type=int, help="number of photographs to make, instead of reading a folder")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tool", choices=TOOLS, help="used by the benchmark itself")
    asked = parser.parse_args()
    if asked.tool:
        print(json.dumps({"cnnexp": cnnexp_cache, "keras": keras_directory}[asked.tool](asked.folder, asked.side)))
        return
    print(measuring.machine())
    with tempfile.TemporaryDirectory() as made:
        folder = make(Path(made), asked.made) if asked.made else asked.folder
        rounds = [{tool: _run(tool, folder, asked.side) for tool in TOOLS} for _ in range(asked.rounds)]
    for place, clock in enumerate(("wall", "CPU")):
        for name, part in (("first pass", slice(0, 1)), ("later epochs", slice(1, None))):
            _print(
                f"{name}, {clock}", [{tool: _median(took[part], place) for tool, took in one.items()} for one in rounds]
            )


def _run(tool: str, folder: Path, side: int) -> list[list[float]]:
    command = [sys.executable, __file__, str(folder), str(side), "--tool", tool]
    _, output = measuring.seconds(command, cwd=Path.cwd(), env={"TF_CPP_MIN_LOG_LEVEL": "3"})
    return json.loads(output.splitlines()[-1])


def _median(took: list[list[float]], place: int) -> float:
    return statistics.median(one[place] for one in took)


def _print(what: str, rounds: list[dict[str, float]]) -> None:
    for tool in TOOLS:
        print(f"{what}, {tool}: {measuring.spread([one[tool] for one in rounds], ' µs per image')}")
    print(f"{what}: cnnexp is {measuring.spread([one['keras'] / one['cnnexp'] for one in rounds])} times as fast")


if __name__ == "__main__":
    main()
