"""Time until a search over 27 settings reaches a given validation accuracy on Fashion-MNIST, against other tools.

    pip install keras-tuner tensorboard 'ray[tune]' 'cnnexp[optuna]'
    python benchmarks/time_to_accuracy.py [--target 0.88] [--images 10000] [--epochs 9] [--seeds 0 1 2 3 4]

3 learning rates × 3 dropout rates × 3 batch sizes for the reference network, the same images for every tool, no
augmentation. The time is from the command to the end of the epoch that reaches the target; then the search is stopped.
cnnexp searches with TPE and ASHA and records every run, once in float32 and once in its default precision; Hyperband of
Keras Tuner and ASHA of Ray Tune compute in float32 and log nothing. A search of cnnexp begins with the settings that a
run has without it; ASHA draws its first ones, and in a row of its own begins with the same.
"""

import argparse
import math
import os
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import measuring
import numpy as np

from cnnexp.compose import compose_config
from cnnexp.datasets import load_splits

PEERS = Path(__file__).with_name("peers")
RATES, DROPOUTS, BATCHES = "1e-4,1e-3,1e-2", "0,0.3,0.5", "32,64,128"
DEFAULTS = "1e-3,0,32"  # of cnnexp
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}

Search = Callable[[int, Path], float]  # (seed, empty folder) -> seconds


def cnnexp(overrides: Sequence[str], target: float) -> Search:
    """Return the search of cnnexp with these overrides."""

    def search(seed: int, folder: Path) -> float:
        began = time.time()
        command = [sys.executable, "-m", "cnnexp", "-m", *overrides, f"hydra.sweeper.seed={seed}"]
        process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL, env={**os.environ, **QUIET})
        reached = None
        while reached is None and process.poll() is None:
            time.sleep(0.5)
            reached = first_to_reach(folder / "mlflow.db", target)
        process.send_signal(signal.SIGTERM)
        process.wait()
        reached = reached or first_to_reach(folder / "mlflow.db", target)
        return math.inf if reached is None else reached - began

    return search


def first_to_reach(database: Path, target: float) -> float | None:
    """Return when an epoch first reached the accuracy, in seconds since 1970, or None."""
    query = "SELECT min(timestamp) FROM metrics WHERE key = 'val/accuracy' AND value >= ?"
    try:
        with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=30)) as store:
            ((milliseconds,),) = store.execute(query, [target])
    except sqlite3.OperationalError:  # the store has not been made yet
        return None
    return None if milliseconds is None else milliseconds / 1000


def peer(script: str, data: Path, target: float, epochs: int, first: Sequence[str] = ()) -> Search:
    """Return the search of another tool, whose script prints the time when it reaches the target."""

    def search(seed: int, folder: Path) -> float:
        began = time.time()
        arguments = [str(data), str(epochs), str(seed), str(target), RATES, DROPOUTS, BATCHES, *first]
        _, printed = measuring.seconds([sys.executable, str(PEERS / script), *arguments], cwd=folder, env=QUIET)
        times = [float(line.split()[1]) for line in printed.splitlines() if line.startswith("reached")]
        return times[0] - began if times else math.inf

    return search


def write_data(overrides: Sequence[str], path: Path) -> None:
    """Write the training and validation images of a run with these overrides."""
    config = compose_config(overrides)
    splits = load_splits(config.data, seed=config.seed, on_progress=lambda _done, _total: None)
    arrays = {}
    for name in ("train", "validation"):
        arrays[f"{name}_images"] = splits[name].images[splits[name].rows]
        arrays[f"{name}_labels"] = splits[name].labels
    np.savez(path, **arrays)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--target", type=float, default=0.88)
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--epochs", type=int, default=9, help="maximum per run")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--only", nargs="+", metavar="NAME", help="of the searches, such as 'cnnexp, float32'")
    asked = parser.parse_args()
    print(measuring.machine(), flush=True)
    data = ["data=fashion_mnist", f"data.limit={asked.images}"]
    run = [f"training.epochs={asked.epochs}", "training.patience=null", "training.monitor=val/accuracy"]
    run.append("training.threads=1")  # one run per core, like the trials of Ray Tune
    space = [
        f"optimizer.learning_rate={RATES}",
        f"regularization.dropout={DROPOUTS}",
        f"training.batch_size={BATCHES}",
    ]
    how = ["hydra/sweeper=optuna", "hydra.sweeper.n_trials=27", "sweep.objective=best/val_accuracy"]
    overrides = [*data, *run, "augmentation=none", *space, *how, "sweep.pruning=asha", "sweep.pruning_start=1"]
    with tempfile.TemporaryDirectory() as base:
        file = Path(base) / "data.npz"
        write_data(data, file)
        searches = {
            "cnnexp, float32": cnnexp([*overrides, "training.precision=float32"], asked.target),
            "cnnexp, default": cnnexp(overrides, asked.target),
            "Keras Tuner Hyperband": peer("hyperband.py", file, asked.target, asked.epochs),
            "Ray Tune ASHA": peer("asha.py", file, asked.target, asked.epochs),
            "Ray Tune ASHA, our first": peer("asha.py", file, asked.target, asked.epochs, [DEFAULTS]),
        }
        searches = {name: search for name, search in searches.items() if asked.only is None or name in asked.only}
        times: dict[str, list[float]] = {name: [] for name in searches}
        for seed in asked.seeds:
            for name, search in searches.items():
                folder = Path(base) / f"{name}-{seed}"
                folder.mkdir()
                times[name].append(search(seed, folder))
                print(f"  seed {seed}, {name}: {times[name][-1]:.1f} s", flush=True)
    print_medians(times)


def print_medians(times: dict[str, list[float]]) -> None:
    """Print the median of each tool, and how many times as fast as the faster peer cnnexp is."""
    for name, seconds in times.items():
        print(f"{name:24} {measuring.spread(seconds, ' s')}")
    if all(name.startswith("cnnexp") for name in times):
        return
    best = min(statistics.median(seconds) for name, seconds in times.items() if not name.startswith("cnnexp"))
    for name in (name for name in times if name.startswith("cnnexp")):
        print(f"{name}: {best / statistics.median(times[name]):.2f} times as fast as the faster peer; target: 2")


if __name__ == "__main__":
    main()
