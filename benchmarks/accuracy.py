"""Test accuracy of the defaults on four cases, mean and spread over seeds.

    python benchmarks/accuracy.py digits fashion_mnist fashion_mnist_sgd sign_digits --seeds 0 1 2

Each seed is a run in its own process. The split is the same for all seeds, so the spread comes from initial weights,
shuffling and augmentation. `sign_digits` needs --signs, the folder of the sign photographs.
"""

import argparse
import json
import statistics
import sys
from pathlib import Path

import measuring

CASES = {
    "digits": [],
    "fashion_mnist": ["data=fashion_mnist"],
    "fashion_mnist_sgd": ["data=fashion_mnist", "model=regularized", "optimizer=sgd"],
    "sign_digits": ["data=folder"],
}


def train(overrides: list[str]) -> None:
    """Do one run and print its metrics and precision as JSON."""
    from cnnexp.compose import compose_config
    from cnnexp.runs import experiment

    result = experiment.run(
        compose_config(overrides),
        name="accuracy",
        on_start=lambda _: None,
        on_epoch=lambda _: False,
        on_progress=lambda *_: None,
    )
    print(json.dumps({"metrics": dict(result.metrics), "precision": result.info.precision}))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("cases", nargs="*", default=list(CASES), metavar="case", help=", ".join(CASES))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--threads", default="auto", help="per run; with 1, one command per core can run at once")
    parser.add_argument("--signs", help="folder of the sign photographs, one directory per class")
    parser.add_argument("--overrides", nargs="+", help="used by the benchmark itself")
    asked = parser.parse_args()
    if asked.overrides:
        train(asked.overrides)
        return
    print(measuring.machine())
    for case in asked.cases:
        overrides = [*CASES[case], *([f"data.path={asked.signs}"] if case == "sign_digits" else [])]
        overrides.append(f"training.threads={asked.threads}")
        results = [_run([*overrides, f"seed={seed}"]) for seed in asked.seeds]
        accuracy = [result["metrics"]["test/accuracy"] for result in results]
        deviation = statistics.stdev(accuracy) if len(accuracy) > 1 else float("nan")
        seconds = [result["metrics"]["seconds/train"] for result in results]
        print(
            f"{case:18} test accuracy {statistics.mean(accuracy):.4f}, deviation {deviation:.4f}, "
            f"seeds {', '.join(f'{value:.4f}' for value in accuracy)}; {results[0]['precision']}, "
            f"training {measuring.spread(seconds, ' s')}",
            flush=True,
        )


def _run(overrides: list[str]) -> dict:
    command = [sys.executable, __file__, "--overrides", *overrides]
    _, output = measuring.seconds(command, cwd=Path.cwd(), env={"TF_CPP_MIN_LOG_LEVEL": "3"})
    return json.loads(output.splitlines()[-1])


if __name__ == "__main__":
    main()
