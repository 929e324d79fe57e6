"""The whole process of `python -m cnnexp` against a plain Keras script that trains as long and records nothing.

    python benchmarks/whole_process.py [--rounds 5]

Both train the reference network on scikit-learn's digits, batch 32, on the same number of images for the same number of
epochs. cnnexp also augments, evaluates with intervals, calibrates, draws figures, saves the model and records in an
existing MLflow store; the first run in a new store is timed separately.
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
        cnnexp = [sys.executable, "-m", "cnnexp"]
        fresh, _ = measuring.seconds(cnnexp, cwd=folder)
        train, validation, epochs = recorded(folder)
        peer = [sys.executable, str(PEER), str(train), str(validation), str(epochs)]
        measuring.seconds(peer, cwd=folder, env={"TF_CPP_MIN_LOG_LEVEL": "3"})
        times = [
            (
                measuring.seconds(cnnexp, cwd=folder)[0],
                measuring.seconds(peer, cwd=folder, env={"TF_CPP_MIN_LOG_LEVEL": "3"})[0],
            )
            for _ in range(rounds)
        ]
    own, peers = zip(*times, strict=True)
    print(f"{train} images, {epochs} epochs; first run in a new store: {fresh:.1f} s")
    print(f"cnnexp, existing store: {measuring.spread(own, ' s')}")
    print(f"Keras, records nothing: {measuring.spread(peers, ' s')}")
    ratios = [a / b for a, b in times]
    print(f"ratio, round by round:  {measuring.spread(ratios)}; target: at most 1.0")
    print("met" if statistics.median(ratios) <= 1 else "NOT met")


if __name__ == "__main__":
    main()
