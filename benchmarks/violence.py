"""A sweep whose processes are killed at random moments, and gone on with, against the same sweep left in peace.

    python benchmarks/violence.py [--rounds 50] [--seed 0]

In each round a sweep of tiny runs begins in a fresh store; at a random moment one of its processes gets SIGKILL: the
sweep itself, a run, the warm process that runs are forked from, or the one that delivers to MLflow. Then the same
command again. Afterwards every run must be there exactly once, nothing RUNNING, nothing undelivered, and the table of
all metrics must be that of the sweep left in peace, but for `seconds/*`. Exit code 1 where it is not; the folder of
such a round is kept.
"""

import argparse
import collections
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import measuring

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from support.sweep_processes import WORDS, children, recorded, start, sweep, table  # the same eyes as the tests have

RUNS = 3
COMMAND = [*WORDS, "data.limit=200", f"seed=range({RUNS})"]
PATIENCE = 600  # seconds a sweep may take


def processes(driver: int) -> dict[int, str]:
    """Return the processes of a sweep and what each is."""
    found = {driver: "the sweep"}
    for pid in children(driver):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        if b"cnnexp.tracking.outbox.delivery_process" in command:
            found[pid] = "the writer"
        elif b"forkserver" in command:
            found[pid] = "the warm process"
            found.update(dict.fromkeys(children(pid), "a run"))
    return found


def strike(folder: Path, *, moment: float, chance: random.Random) -> str:
    """Begin the sweep, kill one of its processes after `moment` seconds and return what it was."""
    process = start(*COMMAND, folder=folder)
    time.sleep(moment)
    if process.poll() is not None:
        process.communicate()
        return "nobody"
    there = processes(process.pid)
    kind = chance.choice(sorted(set(there.values())))
    victim = chance.choice([pid for pid, name in there.items() if name == kind])
    os.kill(victim, signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    return kind


def complaints(folder: Path, peace: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return what is not as it should be."""
    parents, runs = recorded(folder)
    statuses = [run.status for run in (*parents, *runs)]
    left = [path.name for path in folder.glob("outbox/*")]
    wrong = {
        f"{len(parents)} parents instead of 1": len(parents) != 1,
        f"{len(runs)} runs instead of {RUNS}": len(runs) != RUNS,
        f"statuses {statuses}": set(statuses) != {"FINISHED"},
        f"undelivered: {left}": bool(left),
        "another table": table(runs) != peace,
    }
    return [words for words, holds in wrong.items() if holds]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    base = Path(tempfile.mkdtemp(prefix="violence-"))
    print(measuring.machine(), flush=True)
    (base / "peace").mkdir()
    began = time.monotonic()
    sweep(*COMMAND, folder=base / "peace")
    duration = time.monotonic() - began
    peace = table(recorded(base / "peace")[1])
    print(f"left in peace: {RUNS} runs in {duration:.1f} s", flush=True)
    victims: collections.Counter[str] = collections.Counter()
    broken = 0
    while victims.total() < asked.rounds:
        folder = base / str(victims.total())
        folder.mkdir()
        moment = chance.uniform(0.5, duration)
        victim = strike(folder, moment=moment, chance=chance)
        if victim != "nobody":
            sweep(*COMMAND, folder=folder)
            victims[victim] += 1
            wrong = complaints(folder, peace)
            broken += bool(wrong)
            told = "; ".join(wrong) + f"; see {folder}" if wrong else "whole"
            print(f"{victims.total():3} {victim} after {moment:.1f} s: {told}", flush=True)
        if victim == "nobody" or not wrong:
            shutil.rmtree(folder)
    killed = ", ".join(f"{name} {count}" for name, count in victims.most_common())
    print(f"{asked.rounds - broken} of {asked.rounds} rounds whole; killed: {killed}")
    if not broken:
        shutil.rmtree(base)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
