"""Time and memory of the search for near duplicates, among images that are easy for it and hard.

    python benchmarks/near_duplicates.py [--images 20000 200000] [--kinds photographs noise]

Images of 16 × 16 are made in memory, with a hundred near duplicates among them; each search is a process of its own.
What is measured includes the descriptors of all images, not their decoding. Memory (Linux) is what the process holds at
most, beside what it held with the images before. Processor time is that of all threads.

photographs: clouds, whose finer detail has less contrast
noise: every pixel by itself, so that all images are equally unlike
frames: of a camera that stands still: one scene, and noise
half frames: a part of 40 % of them, whose distances are about the limit, among noise
blank: one level, but for one pixel
"""

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

import measuring
import numpy as np

SIDE, PAIRS = 16, 100


def clouds(count: int, numbers: np.random.Generator) -> np.ndarray:
    images = np.zeros((count, SIDE, SIDE), np.float32)
    for side, share in ((2, 1.0), (4, 0.4), (8, 0.25), (16, 0.15)):
        finer = numbers.integers(0, 256, (count, side, side)).astype(np.float32)
        for axis in (1, 2):
            finer = finer.repeat(SIDE // side, axis)
            for _ in range(SIDE // side // 2):
                finer = (np.roll(finer, 1, axis) + 2 * finer + np.roll(finer, -1, axis)) / 4
        images += share * (finer - images)
    return images


def frames(count: int, numbers: np.random.Generator) -> np.ndarray:
    return clouds(1, numbers) + numbers.normal(0, 8, (count, SIDE, SIDE))


def noise(count: int, numbers: np.random.Generator) -> np.ndarray:
    return numbers.integers(0, 256, (count, SIDE, SIDE)).astype(np.float32)


def half_frames(count: int, numbers: np.random.Generator) -> np.ndarray:
    part = int(0.4 * count)
    images = np.concatenate([frames(part, numbers), noise(count - part, numbers)])
    return images[numbers.permutation(count)]


def blank(count: int, numbers: np.random.Generator) -> np.ndarray:
    images = np.repeat(numbers.integers(0, 256, (count, 1, 1)).repeat(SIDE, 1), SIDE, 2)
    images[:, 0, 0] = numbers.integers(0, 256, count)
    return images


KINDS = {"photographs": clouds, "noise": noise, "frames": frames, "half frames": half_frames, "blank": blank}


def search(kind: str, count: int) -> tuple[float, float, float, int]:
    """Return the seconds of a search, those of the processor, the megabytes it took, and how many pairs it found."""
    from cnnexp.data_check.near_duplicates import NearDuplicateSearch, grey_levels

    numbers = np.random.default_rng(0)
    images = np.clip(KINDS[kind](count, numbers), 0, 255).astype(np.uint8)[..., None]
    one, other = numbers.permutation(count)[: 2 * PAIRS].reshape(2, PAIRS)
    images[other] = np.clip(0.95 * images[one] + numbers.normal(0, 3, images[one].shape), 0, 255)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    before = _peak()
    start, processor = time.perf_counter(), time.process_time()
    found = NearDuplicateSearch(images, np.arange(count), np.zeros(count, np.int64))
    for top in range(0, count, 1024):
        found.add(top, grey_levels(images[top : top + 1024]))
    pairs, _ = found.pairs()
    return time.perf_counter() - start, time.process_time() - processor, _peak() - before, len(pairs)


def _peak() -> float:
    """Return the largest resident memory of this process, in MB."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, nargs="+", default=[20_000, 200_000])
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--search", action="store_true", help="used by the benchmark itself")
    asked = parser.parse_args()
    if asked.search:
        print(json.dumps(search(asked.kinds[0], asked.images[0])))
        return
    print(measuring.machine())
    for kind in asked.kinds:
        for count in asked.images:
            command = [sys.executable, __file__, "--search", "--kinds", kind, "--images", str(count)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            took, processor, megabytes, pairs = json.loads(done.stdout.splitlines()[-1])
            print(
                f"{kind:12} {count:9,} images: {took:.2f} s, {processor:.2f} s of the processor, {megabytes:.0f} MB, "
                f"{pairs:,} pairs",
                flush=True,
            )


if __name__ == "__main__":
    main()
