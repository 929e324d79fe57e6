"""A sweep whose processes are killed at random moments and which is then resumed, against an undisturbed sweep.

    python benchmarks/violence.py [--rounds 50] [--seed 0]

In each round a sweep of small runs starts in a new store. At a random moment one of its processes gets SIGKILL: the
sweep itself, a worker, the fork server, or the process that delivers to MLflow. Then the
same command is run again; runs go on from the states of their trainings. Afterwards every run must exist exactly once,
nothing may be RUNNING or undelivered, no state may be left, and all
metrics except `seconds/*` must equal those of the undisturbed sweep. If not, the exit code is 1 and the folder of that
round is kept.
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
from support.sweep_processes import WORDS, children, recorded, start, sweep, table  # as the tests read them

RUNS = 3
COMMAND = [*WORDS, "data.limit=200", "training.epochs=100", f"seed=range({RUNS})"]  # long enough for states to be saved
PATIENCE = 600  # seconds a sweep may take


def processes(driver: int) -> dict[int, str]:
    """Return the processes of a sweep, process id -> kind."""
    found = {driver: "the sweep"}
    for pid in children(driver):
        command = Path(f"/proc/{pid}/cmdline").read_bytes()
        if b"cnnexp.tracking.outbox.delivery_process" in command:
            found[pid] = "the delivery process"
        elif b"forkserver" in command:
            found[pid] = "the fork server"
            found.update(dict.fromkeys(children(pid), "a worker"))
    return found


def strike(folder: Path, *, moment: float, chance: random.Random) -> str:
    """Start the sweep, kill one of its processes after `moment` seconds and return its kind."""
    process = start(*COMMAND, folder=folder)
    time.sleep(moment)
    if process.poll() is not None:
        process.communicate()
        return "nobody"
    running = processes(process.pid)
    kind = chance.choice(sorted(set(running.values())))
    victim = chance.choice([pid for pid, name in running.items() if name == kind])
    os.kill(victim, signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    return kind


def violations(folder: Path, undisturbed: Mapping[str, Mapping[str, float]]) -> list[str]:
    """Return what differs from the undisturbed sweep, one text each."""
    parents, runs = recorded(folder)
    statuses = [run.status for run in (*parents, *runs)]
    left = [path.name for path in (*folder.glob("outbox/*"), *folder.glob("cache/cnnexp/checkpoints/*"))]
    wrong = {
        f"{len(parents)} parents instead of 1": len(parents) != 1,
        f"{len(runs)} runs instead of {RUNS}": len(runs) != RUNS,
        f"statuses {statuses}": set(statuses) != {"FINISHED"},
        f"undelivered: {left}": bool(left),
        "other metrics": table(runs) != undisturbed,
    }
    return [text for text, holds in wrong.items() if holds]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=50)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    chance = random.Random(asked.seed)
    base = Path(tempfile.mkdtemp(prefix="violence-"))
    print(measuring.machine(), flush=True)
    (base / "undisturbed").mkdir()
    began = time.monotonic()
    sweep(*COMMAND, folder=base / "undisturbed")
    duration = time.monotonic() - began
    undisturbed = table(recorded(base / "undisturbed")[1])
    print(f"undisturbed: {RUNS} runs in {duration:.1f} s", flush=True)
    victims: collections.Counter[str] = collections.Counter()
    broken = 0
    while victims.total() < asked.rounds:
        folder = base / str(victims.total())
        folder.mkdir()
        os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
        moment = chance.uniform(0.5, duration)
        victim = strike(folder, moment=moment, chance=chance)
        if victim != "nobody":
            sweep(*COMMAND, folder=folder)
            victims[victim] += 1
            wrong = violations(folder, undisturbed)
            broken += bool(wrong)
            outcome = "; ".join(wrong) + f"; see {folder}" if wrong else "passed"
            print(f"{victims.total():3} {victim} after {moment:.1f} s: {outcome}", flush=True)
        if victim == "nobody" or not wrong:
            shutil.rmtree(folder)
    killed = ", ".join(f"{name} {count}" for name, count in victims.most_common())
    print(f"{asked.rounds - broken} of {asked.rounds} rounds passed; killed: {killed}")
    if not broken:
        shutil.rmtree(base)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
