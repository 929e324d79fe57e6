"""Time to predict one image, the whole process, against the time that importing TensorFlow takes.

    python benchmarks/predict.py RUN IMAGE      # RUN: anything that cnnexp predict accepts

Whole processes in turn: ``python -c "import tensorflow"``, ``cnnexp predict`` with the run, and with its export, which
is made in a temporary folder. The first round warms the disk cache and is not counted. Ratios are taken round by round.
CPU seconds are printed too, because wall time means little while other work runs on the machine.
"""

import argparse
import resource
import sys
import tempfile
from pathlib import Path

import measuring


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run")
    parser.add_argument("image")
    parser.add_argument("--rounds", type=int, default=5)
    asked = parser.parse_args()
    cnnexp = [sys.executable, "-m", "cnnexp"]
    print(measuring.machine())
    with tempfile.TemporaryDirectory() as folder:
        exported = str(Path(folder) / "exported")
        measuring.seconds([*cnnexp, "export", asked.run, exported], cwd=Path.cwd())
        commands = {
            "import tensorflow": [sys.executable, "-c", "import tensorflow"],
            "predict, exported folder": [*cnnexp, "predict", exported, asked.image],
            "predict, run": [*cnnexp, "predict", asked.run, asked.image],
        }
        rounds = [_round(commands) for _ in range(asked.rounds + 1)][1:]
    for place, clock in enumerate(("wall", "CPU")):
        for name in commands:
            taken = [took[name][place] for took in rounds]
            ratios = [took[name][place] / took["import tensorflow"][place] for took in rounds]
            print(f"{name}, {clock}: {measuring.spread(taken, ' s')}; ratio {measuring.spread(ratios)}")


def _round(commands: dict[str, list[str]]) -> dict[str, tuple[float, float]]:
    return {name: _seconds(command) for name, command in commands.items()}


def _seconds(command: list[str]) -> tuple[float, float]:
    """Return wall seconds and CPU seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall, _ = measuring.seconds(command, cwd=Path.cwd(), env={"TF_CPP_MIN_LOG_LEVEL": "3"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
