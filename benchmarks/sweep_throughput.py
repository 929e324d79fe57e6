"""A sweep with `python -m cnnexp -m` against the same runs with other tools, used as their users write them.

    pip install hydra-joblib-launcher keras-tuner tensorboard 'ray[tune]'
    python benchmarks/sweep_throughput.py [--rounds 3] [--epochs 10] [--runs 32] [--against "Keras Tuner grid"]

32 runs of the reference network on scikit-learn's digits: 4 learning rates × 4 dropout rates × 2 batch sizes, the same
number of epochs and steps everywhere, no early stopping or augmentation, 988 training and 269 validation images. cnnexp
also evaluates with intervals, calibrates, draws figures, saves the model and records; the Hydra launchers run a Keras
script with mlflow.autolog; Keras Tuner and Ray Tune log nothing. A peer with missing packages is reported and skipped.
"""

import argparse
import importlib.util
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import measuring

PEERS = Path(__file__).with_name("peers")
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "HYDRA_FULL_ERROR": "1"}
LISTS = {  # number of runs -> the values that make them
    4: {"rates": "1e-3,3e-3", "dropouts": "0,0.5", "batches": "32"},
    8: {"rates": "1e-3,3e-3", "dropouts": "0,0.5", "batches": "32,64"},
    32: {"rates": "1e-4,3e-4,1e-3,3e-3", "dropouts": "0,0.2,0.4,0.5", "batches": "32,64"},
}
NEEDED = {  # what each peer imports
    "Hydra joblib + autolog": ("hydra_plugins.hydra_joblib_launcher", "tensorboard"),
    "Hydra basic + autolog": ("tensorboard",),
    "Keras Tuner grid": ("keras_tuner", "tensorboard"),
    "Ray Tune grid": ("ray.tune", "fsspec"),
}


def commands(lists: Mapping[str, str], *, epochs: int, workers: int) -> dict[str, list[str]]:
    """Return name -> command, for cnnexp and each peer."""
    hydra = [f"learning_rate={lists['rates']}", f"dropout={lists['dropouts']}", f"batch_size={lists['batches']}"]
    script = [sys.executable, str(PEERS / "hydra_autolog.py"), "-m", f"epochs={epochs}", *hydra]
    grid = [str(epochs), lists["rates"], lists["dropouts"], lists["batches"]]
    return {
        "cnnexp": [
            *(sys.executable, "-m", "cnnexp", "-m", f"training.epochs={epochs}", "training.patience=null"),
            f"optimizer.learning_rate={lists['rates']}",
            f"regularization.dropout={lists['dropouts']}",
            f"training.batch_size={lists['batches']}",
            *("augmentation=none", "sweep.resume=never"),
        ],
        "Hydra joblib + autolog": [*script, "hydra/launcher=joblib", f"hydra.launcher.n_jobs={workers}"],
        "Hydra basic + autolog": script,
        "Keras Tuner grid": [sys.executable, str(PEERS / "keras_tuner_grid.py"), *grid],
        "Ray Tune grid": [sys.executable, str(PEERS / "ray_tune_grid.py"), *grid],
    }


def missing(peer: str) -> list[str]:
    """Return the modules of a peer that are not installed."""
    return [module for module in NEEDED.get(peer, ()) if not _installed(module)]


def _installed(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:  # the package that contains it is missing too
        return False


def in_turn(tools: Mapping[str, Sequence[str]], rounds: int) -> dict[str, list[float]]:
    """Return the wall times of each tool; each has its own folder with an existing MLflow store."""
    times: dict[str, list[float]] = {name: [] for name in tools}
    with tempfile.TemporaryDirectory() as base:
        for name in tools:
            folder = Path(base) / name
            folder.mkdir()
            create = "import mlflow; mlflow.MlflowClient('sqlite:///mlflow.db').search_experiments()"
            measuring.seconds([sys.executable, "-c", create], cwd=folder)
        for _ in range(rounds):
            for name, command in tools.items():
                seconds, _ = measuring.seconds(command, cwd=Path(base) / name, env=QUIET)
                times[name].append(seconds)
                print(f"  {name}: {seconds:.1f} s", flush=True)
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--runs", type=int, choices=sorted(LISTS), default=32)
    parser.add_argument("--against", nargs="+", choices=sorted(NEEDED), default=list(NEEDED), help="default: all")
    asked = parser.parse_args()
    workers = len(os.sched_getaffinity(0))
    print(measuring.machine())
    print(f"{asked.runs} runs of {asked.epochs} epochs, {workers} workers")
    tools = commands(LISTS[asked.runs], epochs=asked.epochs, workers=workers)
    tools = {name: command for name, command in tools.items() if name in ("cnnexp", *asked.against)}
    for name in tools:
        if lacking := missing(name):
            print(f"{name} is skipped: {', '.join(lacking)} not installed; see the top of this file")
    times = in_turn({name: command for name, command in tools.items() if not missing(name)}, asked.rounds)
    for name, values in times.items():
        ratios = [theirs / mine for mine, theirs in zip(times["cnnexp"], values, strict=True)]
        print(f"{name:24} {measuring.spread(values, ' s'):40} {measuring.spread(ratios)} times the time of cnnexp")


if __name__ == "__main__":
    main()
