"""`python -m cnnexp`, everything included, against a script of Keras alone that trains as long and logs nothing.

    python benchmarks/whole_process.py [--rounds 5]

Both train the reference network on scikit-learn's digits, batch 32, on as many images for as many epochs. cnnexp also
augments, judges with intervals, calibrates, draws, saves and records in an existing MLflow store; the first run in a
fresh store is timed apart.
"""

import argparse
import json
import statistics
import sys
import tempfile
from pathlib import Path

import measuring
import mlflow

PEER = Path(__file__).with_name("peers") / "keras_alone.py"


def recorded(folder: Path) -> tuple[int, int, int]:
    """Return training images, validation images and epochs of the newest run."""
    client = mlflow.MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("cnnexp")
    run = client.search_runs([experiment.experiment_id], max_results=1)[0]
    epochs = len(client.get_metric_history(run.info.run_id, "val/loss"))
    counts = json.loads(run.inputs.dataset_inputs[0].dataset.profile)["counts"]
    return sum(counts["train"]), sum(counts["validation"]), epochs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    print(measuring.machine())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        ours = [sys.executable, "-m", "cnnexp"]
        fresh, _ = measuring.seconds(ours, cwd=folder)
        train, validation, epochs = recorded(folder)
        peer = [sys.executable, str(PEER), str(train), str(validation), str(epochs)]
        measuring.seconds(peer, cwd=folder, env={"TF_CPP_MIN_LOG_LEVEL": "3"})
        times = [
            (
                measuring.seconds(ours, cwd=folder)[0],
                measuring.seconds(peer, cwd=folder, env={"TF_CPP_MIN_LOG_LEVEL": "3"})[0],
            )
            for _ in range(rounds)
        ]
    mine, theirs = zip(*times, strict=True)
    print(f"{train} images, {epochs} epochs; first run in a fresh store: {fresh:.1f} s")
    print(f"cnnexp, existing store: {measuring.spread(mine, ' s')}")
    print(f"Keras alone, no log:    {measuring.spread(theirs, ' s')}")
    ratios = [a / b for a, b in times]
    print(f"ratio, pair by pair:    {measuring.spread(ratios)}; at most 1.0 is wanted")
    print(f"{'reached' if statistics.median(ratios) <= 1 else 'NOT reached'}")


if __name__ == "__main__":
    main()
