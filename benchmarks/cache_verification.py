"""What verifying the cache costs: seconds to read and check an entry, against the first epoch of training on it.

    python benchmarks/cache_verification.py [--images 20000] [--rounds 5]

Small JPEG files (32 × 32, colour, in ten class folders) are made in a temporary folder and decoded once. Each round is
a process of its own, which verifies the entry and then trains the default model for one epoch; every other round, the
entry is first evicted from memory, so that it is read from the disk. All images are verified, and 55 % of them are
trained on. Before that, the checksums that Python has are compared, on 64 MB in memory; afterwards an entry is filled
anew in each round, to see which share of that is waiting for the disk (`fsync`).
"""

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import large_folder
import measuring
import numpy as np

BLOCK = 2**22  # bytes, as in cnnexp/datasets/cache/checksums.py
CANDIDATES: dict[str, Callable[[bytes], object]] = {
    "crc32": zlib.crc32,
    "sha256": lambda block: hashlib.sha256(block).digest(),
    "blake2b": lambda block: hashlib.blake2b(block).digest(),
}


def compare_checksums(rounds: int) -> None:
    """Print the rate of each candidate, with one thread and with one for each core, measured in turn."""
    blocks = [np.random.default_rng(number).bytes(BLOCK) for number in range(16)]
    rates: dict[str, list[float]] = {}
    for _ in range(rounds):
        for threads in (1, measuring.cores()):
            for name, checksum in CANDIDATES.items():
                with ThreadPoolExecutor(threads) as pool:
                    began = time.perf_counter()
                    list(pool.map(checksum, blocks))
                    rate = len(blocks) * BLOCK / (time.perf_counter() - began) / 1e9
                rates.setdefault(f"{name}, {threads} threads", []).append(rate)
    for name, values in rates.items():
        print(f"  {name:20} {measuring.spread(values)} GB/s")


def one_round(folder: Path, *, cold: bool) -> dict[str, float]:
    """Verify the entry of a folder and train one epoch; return the seconds of both."""
    from cnnexp.compose import compose_config
    from cnnexp.datasets.cache import entry
    from cnnexp.datasets.cache import folder as cache
    from cnnexp.runs import experiment

    (found,) = cache.entries(Path(f"{folder}.cache"))
    for path in found.folder.iterdir():
        _evict(path) if cold else path.read_bytes()
    began = time.perf_counter()
    assert entry.is_whole(found.folder)
    verified = time.perf_counter() - began
    config = compose_config(["data=folder", f"data.path={folder}", f"data.cache={folder}.cache", "training.epochs=1"])
    result = experiment.run(
        config, name="benchmark", on_start=lambda _: None, on_epoch=lambda _: False, on_progress=lambda *_: None
    )
    return {"verified": verified, "epoch": result.history.epochs[0].seconds, "bytes": float(found.size)}


def fill_anew(folder: Path) -> dict[str, float]:
    """Decode a folder into a new entry; return the seconds of that, and those of them in `os.fsync`."""
    from cnnexp.compose import compose_config
    from cnnexp.datasets import inspect_dataset

    fsync, waited = os.fsync, [0.0]

    def timed(handle: int) -> None:
        began = time.perf_counter()
        fsync(handle)
        waited.append(time.perf_counter() - began)

    with tempfile.TemporaryDirectory(dir=folder.parent) as cache:
        config = compose_config(["data=folder", f"data.path={folder}", f"data.cache={cache}"])
        os.fsync = timed  # type: ignore[assignment]
        began = time.perf_counter()
        inspect_dataset(config.data, seed=0, on_progress=lambda *_: None, strict=True)
        return {"filled": time.perf_counter() - began, "synced": sum(waited)}


def _evict(path: Path) -> None:
    """Drop a file from the memory that the system keeps of the disk."""
    with path.open("rb") as file:
        os.fsync(file.fileno())
        os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--round", choices=("warm", "cold", "fill"), help="used by itself, as is --folder")
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    if asked.round:
        done = fill_anew(asked.folder) if asked.round == "fill" else one_round(asked.folder, cold=asked.round == "cold")
        print(json.dumps(done))
        return
    print(measuring.machine())
    compare_checksums(asked.rounds)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "images"
        large_folder.CLASSES = 10
        large_folder.make(folder, asked.images)
        large_folder.step("check", folder)
        results: dict[str, list[dict[str, float]]] = {"warm": [], "cold": [], "fill": []}
        for _ in range(asked.rounds):
            for kind, done in results.items():
                command = [sys.executable, __file__, "--round", kind, "--folder", str(folder)]
                _, output = measuring.seconds(command, cwd=Path(place), env={"TF_CPP_MIN_LOG_LEVEL": "3"})
                done.append(json.loads(output.splitlines()[-1]))
        print(f"{asked.images:,} images, {results['warm'][0]['bytes'] / 1e6:.0f} MB")
        filled = results.pop("fill")
        shares = [100 * one["synced"] / one["filled"] for one in filled]
        print(f"  filled anew in {measuring.spread([one['filled'] for one in filled], ' s')}")
        print(f"    share of fsync {measuring.spread(shares, ' %')}")
        for kind, done in results.items():
            verified, epochs = [one["verified"] for one in done], [one["epoch"] for one in done]
            shares = [100 * one["verified"] / one["epoch"] for one in done]
            where = "in memory" if kind == "warm" else "on the disk"
            print(f"  {where}: verified in {measuring.spread(verified, ' s')}")
            print(f"    first epoch {measuring.spread(epochs, ' s')}; share {measuring.spread(shares, ' %')}")


if __name__ == "__main__":
    main()
