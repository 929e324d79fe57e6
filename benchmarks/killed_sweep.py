"""A round of kills.py for a sweep.

A sweep of small runs starts in a new store. At a random moment, in half of the rounds one after the first state of a
run, one of its processes gets SIGKILL: the sweep itself, a worker, the fork server, or the process that delivers to
MLflow. Then the same command is run again; runs go on from the
states of their trainings. Afterwards every run must exist exactly once, nothing may be RUNNING or undelivered, no state
may be left, and all metrics except `seconds/*` must equal those of the undisturbed sweep.
"""

import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

sys.path.append(str(Path(__file__).parents[1] / "tests"))
from support.sweep_processes import WORDS, children, recorded, start, sweep, table  # as the tests read them

RUNS = 3
SETTINGS = [*WORDS, "data.limit=200", "training.epochs=300", f"seed=range({RUNS})"]  # states are saved
TRAINING = 2.0  # seconds, less than its runs train on after the first state
PATIENCE = 600  # seconds a sweep may take
Table = Mapping[str, Mapping[str, float]]


def undisturbed(settings: Sequence[str], *, folder: Path) -> Table:
    """Do a sweep and return its numbers."""
    folder.mkdir()
    with own_cache(folder):
        sweep(*settings, folder=folder)
    return table(recorded(folder)[1])


def round_of(
    settings: Sequence[str],
    number: int,
    expected: Table,
    *,
    folder: Path,
    chance: random.Random,
    duration: float,
) -> tuple[list[str], list[str]]:
    """Kill a process of a sweep and go on with it; return which it was, and what is wrong afterwards."""
    killed = None
    while killed is None:  # the sweep was over before its moment
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        with own_cache(folder):
            saved = number % 2 == 1
            moment = chance.uniform(0, TRAINING) if saved else chance.uniform(0.5, duration)
            killed = strike(settings, folder, moment=moment, saved=saved, chance=chance)
            if killed is not None:
                sweep(*settings, folder=folder)
    return [killed], violations(folder, expected)


@contextmanager
def own_cache(folder: Path) -> Iterator[None]:
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(folder / "cache")
    try:
        yield
    finally:
        os.environ.pop("XDG_CACHE_HOME")
        if before is not None:
            os.environ["XDG_CACHE_HOME"] = before


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


def strike(settings: Sequence[str], folder: Path, *, moment: float, saved: bool, chance: random.Random) -> str | None:
    """Start the sweep and kill one of its processes; return its kind; None: it was over.

    That is `moment` seconds after its start, or after it has `saved` the state of a run.
    """
    process = start(*settings, folder=folder)
    while saved and process.poll() is None and not list(folder.glob("cache/cnnexp/checkpoints/*/*.state")):
        time.sleep(0.01)
    time.sleep(moment)
    if process.poll() is not None:
        process.communicate()
        return None
    running = processes(process.pid)
    kind = chance.choice(sorted(set(running.values())))
    victim = chance.choice([pid for pid, name in running.items() if name == kind])
    os.kill(victim, signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    return kind


def violations(folder: Path, expected: Table) -> list[str]:
    """Return what differs from the undisturbed sweep, one text each."""
    parents, runs = recorded(folder)
    statuses = [run.status for run in (*parents, *runs)]
    left = [path.name for path in (*folder.glob("outbox/*"), *folder.glob("cache/cnnexp/checkpoints/*"))]
    wrong = {
        f"{len(parents)} parents instead of 1": len(parents) != 1,
        f"{len(runs)} runs instead of {len(expected)}": len(runs) != len(expected),
        f"statuses {statuses}": set(statuses) != {"FINISHED"},
        f"undelivered: {left}": bool(left),
        "other metrics": table(runs) != expected,
    }
    return [text for text, holds in wrong.items() if holds]
