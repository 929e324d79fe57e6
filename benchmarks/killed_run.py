"""A round of kills.py for a single run.

The process of a run gets SIGKILL at a random moment; in half of the rounds at one after its first state, and in half of
these at the moment at which it writes another one. Half of the rounds kill the second process, too. Then the same
command is run to its end. Afterwards there must be one run, FINISHED, with every metric of an epoch once, nothing
undelivered and no checkpoint, and all metrics except times must equal those of the undisturbed run.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

SETTINGS = ["data.limit=200", "training.epochs=300", "training.patience=null"]  # long enough for states to be saved
TRAINING = 2.0  # seconds, less than it trains on after its first state
PATIENCE = 900  # seconds a run may take
EPOCH = ("train/loss", "train/accuracy", "val/loss", "val/accuracy", "learning_rate")
LATE = "after its end"


def undisturbed(settings: Sequence[str], *, folder: Path) -> Mapping[str, object]:
    """Do a run and return its numbers."""
    folder.mkdir()
    finish(settings, folder)
    numbers, wrong = recorded(folder)
    if wrong:
        raise SystemExit(f"The undisturbed run in {folder} is not as it should be: {wrong}")
    return numbers


def round_of(
    settings: Sequence[str],
    number: int,
    expected: Mapping[str, object],
    *,
    folder: Path,
    chance: random.Random,
    duration: float,
) -> tuple[list[str], list[str]]:
    """Kill a run and go on with it; return when it was killed, and what is wrong afterwards."""
    folder.mkdir()
    killed: list[str] = []
    saved = number % 4 >= 2
    for _ in range(1 + number % 2):
        moment = chance.uniform(0, TRAINING) if saved else chance.uniform(0.3, duration)
        process = start(settings, folder)
        killed.append(strike(process, folder, moment=moment, saved=saved, writing=number % 8 >= 6))
        if killed[-1] == LATE:
            break
    if LATE not in killed:
        finish(settings, folder)
    else:  # perhaps before it had removed its state, which no run goes on from
        shutil.rmtree(folder / "cache" / "cnnexp" / "checkpoints", ignore_errors=True)
    found, wrong = recorded(folder)
    return killed, wrong + (["other numbers"] if found != expected else [])


def start(settings: Sequence[str], folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    command = [sys.executable, "-m", "cnnexp", *settings]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(settings: Sequence[str], folder: Path) -> None:
    process = start(settings, folder)
    printed, _ = process.communicate(timeout=PATIENCE)
    if process.returncode:
        raise SystemExit(f"The run failed in {folder}:\n{printed}")


def checkpoints(folder: Path, pattern: str) -> list[Path]:
    return list((folder / "cache" / "cnnexp" / "checkpoints").glob(pattern))


def strike(process: subprocess.Popen[str], folder: Path, *, moment: float, saved: bool, writing: bool) -> str:
    """Kill a run, at a moment after its start or its first state, or when it writes one then; return when it was."""
    while saved and process.poll() is None and not checkpoints(folder, "*/*.state"):
        time.sleep(0.01)
    time.sleep(moment)
    while writing and process.poll() is None and not checkpoints(folder, "*/*.state.part"):
        time.sleep(0.0005)
    has_state = bool(checkpoints(folder, "*/*.state"))
    if process.poll() is not None:
        process.communicate()
        return LATE
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=PATIENCE)
    if has_finished(folder):
        return LATE
    return "while a state was written" if writing else "with a state" if has_state else "before its first state"


def has_finished(folder: Path) -> bool:
    """Return whether a run had recorded its end when it was killed; the same command then begins another one."""
    while list(folder.glob("outbox/*/status.json")):
        time.sleep(0.2)  # its delivery process completes it
    runs = runs_of(folder) if (folder / "mlflow.db").exists() and not list(folder.glob("outbox/*")) else []
    return any(run.info.status == "FINISHED" for run in runs)


def runs_of(folder: Path) -> list[Run]:
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("cnnexp")
    return [] if experiment is None else list(client.search_runs([experiment.experiment_id]))


def recorded(folder: Path) -> tuple[dict[str, object], list[str]]:
    """Return what the store has of the only run, times aside, and what is wrong with it."""
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    runs = runs_of(folder)
    if len(runs) != 1:
        return {}, [f"{len(runs)} runs, {[run.info.status for run in runs]}"]
    (run,) = runs
    curves = {name: client.get_metric_history(run.info.run_id, name) for name in EPOCH}
    values = {
        name: [(one.step, one.value) for one in sorted(curve, key=lambda one: one.step)]
        for name, curve in curves.items()
    }
    twice = [name for name, curve in values.items() if len({step for step, _ in curve}) != len(curve)]
    left = [path.name for path in (*folder.glob("outbox/*"), *checkpoints(folder, "*/*.state"))]
    wrong = {
        f"status {run.info.status}": run.info.status != "FINISHED",
        f"twice: {twice}": bool(twice),
        f"left: {left}": bool(left),
    }
    metrics = {name: value for name, value in run.data.metrics.items() if not name.startswith("seconds/")}
    return {**values, **metrics}, [text for text, holds in wrong.items() if holds]
