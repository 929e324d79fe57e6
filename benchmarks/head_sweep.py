"""A sweep of heads on a frozen pretrained backbone: how long it takes, what it leaves on disk, what it computes once.

    python benchmarks/head_sweep.py PHOTOGRAPHS [--images 500] [--settings 100] [--seeds 3]

As many learning rates, dropout rates and smoothings of labels as make the settings, each with every seed, on photos
drawn from a folder of class folders, in an empty cache and an empty store. One command is timed, from its start to its
end: it decodes the photographs, computes their features, trains, evaluates, draws and records every run with its model.
Afterwards one of the models is read back and must predict.
"""

import argparse
import os
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import measuring
import numpy as np

from cnnexp.datasets.cache import folder as cache
from cnnexp.datasets.subsampling import subsample

DROPOUT = (0.0, 0.1, 0.2, 0.3, 0.5)
SMOOTHING = (0.0, 0.1)
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "COLUMNS": "100"}


def select(root: Path, folder: Path, *, images: int) -> list[Path]:
    """Make a folder of class folders with copies of so many photographs, each class in its share; return the copies."""
    files = sorted(path for path in root.glob("*/*") if path.is_file())
    labels = np.unique([file.parent.name for file in files], return_inverse=True)[1]
    kept = subsample(labels, limit=images, imbalance=None, ranks=np.bincount(labels), seed=0)
    copies = []
    for place in kept.tolist():
        copies.append(folder / files[place].relative_to(root))
        copies[-1].parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(files[place], copies[-1])
    return copies


def command(photographs: Path, folder: Path, *, settings: int, seeds: int) -> list[str]:
    """Return the sweep as a user types it."""
    rates = np.geomspace(3e-4, 3e-2, settings // (len(DROPOUT) * len(SMOOTHING)))
    return [
        *(sys.executable, "-m", "cnnexp", "-m", "model=pretrained", "training.freeze=backbone"),
        *("data=folder", f"data.path={photographs}", f"data.cache={folder / 'cache'}"),
        f"optimizer.learning_rate={_listed(rates)}",
        f"regularization.dropout={_listed(DROPOUT)}",
        f"regularization.label_smoothing={_listed(SMOOTHING)}",
        f"seed=range({seeds})",
    ]


def _listed(values: Sequence[float]) -> str:
    return ",".join(f"{value:.4g}" for value in values)


def size_of(folder: Path) -> float:
    """Return the megabytes that the files of a folder take on the disk."""
    return sum(path.lstat().st_blocks * 512 for path in folder.rglob("*")) / 1e6


def finished(database: Path) -> list[str]:
    """Return the ids of the runs that have finished with a model, the last one first."""
    query = (
        "SELECT run_uuid FROM runs WHERE status = 'FINISHED' AND run_uuid IN (SELECT run_uuid FROM metrics "
        "WHERE key = 'test/accuracy') ORDER BY start_time DESC"
    )
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as store:
        return [run_id for (run_id,) in store.execute(query)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photographs", type=Path, help="a folder of class folders")
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--settings", type=int, default=100, help="a multiple of 10")
    parser.add_argument("--seeds", type=int, default=3)
    asked = parser.parse_args()
    print(measuring.machine())
    with tempfile.TemporaryDirectory() as base:
        folder = Path(base) / "here"
        folder.mkdir()
        copies = select(asked.photographs.resolve(), Path(base) / "photographs", images=asked.images)
        sweep = command(Path(base) / "photographs", folder, settings=asked.settings, seeds=asked.seeds)
        before = os.getloadavg()[0]
        seconds, printed = measuring.seconds(sweep, cwd=folder, env=QUIET)
        print("\n".join(line for line in printed.splitlines() if line.startswith(("models", "best", "model"))))
        runs = finished(folder / "mlflow.db")
        load = f"load of the machine {before:.1f} before, {os.getloadavg()[0]:.1f} at the end"
        print(f"{len(runs)} of {asked.settings * asked.seeds} runs in {seconds / 60:.1f} minutes", end="")
        print(f" ({seconds / len(runs):.2f} s each; {load})")
        features = [entry for entry in cache.entries(folder / "cache") if entry.features]
        in_cache = size_of(folder / "cache")
        print(f"features of {sum(entry.images for entry in features):,} images in {len(features)} arrays: ", end="")
        print(", ".join(sorted(entry.origin.removeprefix("features of ") for entry in features)))
        print(f"disk: {size_of(folder) - in_cache:.0f} MB of runs, and a cache of {in_cache:.0f} MB")
        _, answer = measuring.seconds(
            [sys.executable, "-m", "cnnexp", "predict", runs[0], str(copies[0])], cwd=folder, env=QUIET
        )
        print(f"the model of the last run: {' '.join(answer.split())[:200]}")


if __name__ == "__main__":
    main()
