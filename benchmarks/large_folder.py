"""Time and memory for a large folder of images: the first reading, reading it again, and the data check.

    python benchmarks/large_folder.py [--images 200000]

Small JPEG files (32 × 32, in a hundred class folders) are made in a temporary folder, and a tenth as many in another,
to show memory that grows with the number of images. Each step is a process of its own; imports are not counted.

Memory is the largest anonymous resident set of a process, sampled twenty times per second. It excludes pages of the
memory-mapped cache, which the system can reclaim.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import measuring
import numpy as np
from PIL import Image

SIDE, CLASSES = 32, 100
STEPS = {
    "read": "first reading: find, decode, look for duplicates, split",
    "again": "the same again",
    "check": "data check, first time",
    "checked": "data check again",
}


def make(folder: Path, count: int) -> None:
    """Write JPEG files of random clouds, all different; fine detail has less contrast, as in photographs."""
    rng = np.random.default_rng(count)
    for number in range(CLASSES):
        (folder / f"{number:02d}").mkdir(parents=True)
    for number in range(count):
        clouds = Image.fromarray(rng.integers(0, 256, (2, 2, 3), dtype=np.uint8)).resize((SIDE, SIDE))
        for side, share in ((4, 0.4), (8, 0.25), (16, 0.15)):
            finer = Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).resize((SIDE, SIDE))
            clouds = Image.blend(clouds, finer, share)
        clouds.save(folder / f"{number % CLASSES:02d}" / f"{number:06d}.jpg", quality=85)


def step(name: str, folder: Path) -> float:
    """Do one step and return its seconds."""
    from cnnexp.compose import compose_config
    from cnnexp.data_check import check
    from cnnexp.datasets import inspect_dataset, load_splits

    data = compose_config(["data=folder", f"data.path={folder}", f"data.cache={folder}.cache"]).data
    began = time.perf_counter()
    if name in ("read", "again"):
        load_splits(data, seed=0, on_progress=lambda *_: None)
    else:
        inspected = inspect_dataset(data, seed=0, on_progress=lambda *_: None, strict=True)
        check(inspected, few_images=data.few_images, uneven=data.uneven, balanced=False, labels=False)
    return time.perf_counter() - began


class Watch(threading.Thread):
    """Records the largest anonymous memory, in MB, of a process and of any of its children."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self.main = self.helper = 0.0
        self._pid = pid

    def run(self) -> None:
        with suppress(OSError):  # the process has ended
            while True:
                self.main = max(self.main, _anonymous(self._pid))
                children = Path(f"/proc/{self._pid}/task/{self._pid}/children").read_text().split()
                for child in map(int, children):
                    with suppress(OSError):
                        self.helper = max(self.helper, _anonymous(child))
                time.sleep(0.05)


def _anonymous(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) / 1024
    return 0.0


def _watched(name: str, folder: Path) -> tuple[float, Watch]:
    command = [sys.executable, __file__, "--step", name, "--folder", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        watch = Watch(process.pid)
        watch.start()
        printed, _ = process.communicate()
    if process.returncode:
        raise SystemExit(process.returncode)
    return json.loads(printed.splitlines()[-1]), watch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=200_000)
    parser.add_argument("--step", choices=STEPS, help="used by the benchmark itself, as is --folder")
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    if asked.step:
        print(json.dumps(step(asked.step, asked.folder)))
        return
    print(measuring.machine())
    with tempfile.TemporaryDirectory() as place:
        for count in (asked.images // 10, asked.images):
            folder = Path(place) / str(count)
            make(folder, count)
            print(f"{count:,} images of {SIDE} × {SIDE}")
            for name, description in STEPS.items():
                seconds, watch = _watched(name, folder)
                helper = f", {watch.helper:.0f} MB in a child process" if watch.helper else ""
                print(f"  {description}: {seconds:.2f} s, {watch.main:.0f} MB{helper}", flush=True)


if __name__ == "__main__":
    main()
