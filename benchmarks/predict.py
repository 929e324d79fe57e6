"""How long one image takes from the command to its answer, against the time TensorFlow alone takes to import.

    python benchmarks/predict.py RUN IMAGE      # RUN: anything cnnexp predict takes

Whole processes in turn: ``python -c "import tensorflow"``, ``cnnexp predict`` of the run, and of its export, which is
made in a temporary folder. The first round warms the disk's cache and is not counted. Ratios are taken round by round;
CPU seconds are told beside the wall clock, which means little while other work runs on the machine.
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
    ours = [sys.executable, "-m", "cnnexp"]
    print(measuring.machine())
    with tempfile.TemporaryDirectory() as folder:
        exported = str(Path(folder) / "exported")
        measuring.seconds([*ours, "export", asked.run, exported], cwd=Path.cwd())
        commands = {
            "import tensorflow": [sys.executable, "-c", "import tensorflow"],
            "predict, exported folder": [*ours, "predict", exported, asked.image],
            "predict, run": [*ours, "predict", asked.run, asked.image],
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
    """Return seconds by the clock and of the processors."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall, _ = measuring.seconds(command, cwd=Path.cwd(), env={"TF_CPP_MIN_LOG_LEVEL": "3"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


if __name__ == "__main__":
    main()
