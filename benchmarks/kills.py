"""Runs or sweeps that are killed at random moments and gone on with by the same command, against undisturbed ones.

    python benchmarks/kills.py [--sweeps] [--rounds 50] [--seed 0] [--results FILE] [SETTINGS ...]

What a round is stands in `killed_run` and `killed_sweep`. With `--results` each round is a line of that file, and those
that it has are not done again: the same command goes on where it was stopped. The exit code is 1 if a round lost
anything; its folder is then kept.
"""

import argparse
import json
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import killed_run
import killed_sweep
import measuring


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("settings", nargs="*", help="of the runs, instead of small ones")
    parser.add_argument("--sweeps", action="store_true", help="kill processes of sweeps")
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, help="file of the rounds; those in it are not done again")
    asked = parser.parse_args()
    kind = killed_sweep if asked.sweeps else killed_run
    settings = asked.settings or kind.SETTINGS
    base = Path(tempfile.mkdtemp(prefix="kills-"))
    print(measuring.machine(), flush=True)
    rounds = read(asked.results)
    began = time.monotonic()
    undisturbed = kind.undisturbed(settings, folder=base / "undisturbed")
    duration = time.monotonic() - began
    print(f"undisturbed: {duration:.1f} s; {len(rounds)} rounds were done before", flush=True)
    for number in range(len(rounds), asked.rounds):
        folder = base / str(number)
        chance = random.Random(f"{asked.seed} {number}")
        killed, wrong = kind.round_of(settings, number, undisturbed, folder=folder, chance=chance, duration=duration)
        rounds.append({"killed": killed, "wrong": wrong})
        if asked.results is not None:
            with asked.results.open("a") as file:
                file.write(f"{json.dumps(rounds[-1])}\n")
        outcome = "; ".join(wrong) + f"; see {folder}" if wrong else "passed"
        print(f"{number + 1:3} killed {', then '.join(killed)}: {outcome}", flush=True)
        if not wrong:
            shutil.rmtree(folder)
    broken = sum(bool(one["wrong"]) for one in rounds)
    counted = Counter(what for one in rounds for what in one["killed"])
    killed_in_all = ", ".join(f"{what} {count}" for what, count in counted.most_common())
    print(f"{len(rounds) - broken} of {len(rounds)} rounds passed; killed: {killed_in_all}")
    if not broken:
        shutil.rmtree(base)
    return 1 if broken else 0


def read(results: Path | None) -> list[dict[str, list[str]]]:
    """Return the rounds that were done before."""
    if results is None or not results.exists():
        return []
    return [json.loads(line) for line in results.read_text().splitlines()]


if __name__ == "__main__":
    sys.exit(main())
