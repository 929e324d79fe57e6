"""Sweeps as real processes, and what they leave in their store."""

import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from mlflow import MlflowClient

WORDS = ["training=smoke", "training.patience=null"]


@dataclass
class Run:
    """A run of a store, deleted ones left out."""

    run_id: str
    name: str
    status: str
    params: dict = field(default_factory=dict)
    metrics: dict = field(default_factory=dict)
    tags: dict = field(default_factory=dict)


def start(*words, folder, multirun=True, command=None):
    first = [command] if command else ["-m"] if multirun else []
    command = [sys.executable, "-m", "cnnexp", *first, *words]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def sweep(*words, folder, code=0, multirun=True, command=None):
    """Run a command to its end and return what it printed."""
    process = start(*words, folder=folder, multirun=multirun, command=command)
    printed, _ = process.communicate(timeout=1200)  # a busy machine
    assert process.returncode == code, printed
    return printed


def recorded(folder):
    """Return (parents, other runs) of the store, oldest first."""
    if not (folder / "mlflow.db").exists():  # the client would create it
        return [], []
    return runs_in(f"sqlite:///{folder}/mlflow.db")


def runs_in(uri, experiment="cnnexp"):
    """Return (parents, other runs) of an experiment, oldest first, by MLflow's client: cnnexp itself reads SQLite."""
    client = MlflowClient(uri)
    chosen = client.get_experiment_by_name(experiment)
    found = [] if chosen is None else client.search_runs([chosen.experiment_id], order_by=["start_time ASC"])
    runs = [
        Run(run.info.run_id, run.info.run_name, run.info.status, run.data.params, run.data.metrics, run.data.tags)
        for run in found
    ]
    parents = [run for run in runs if "sweep.key" in run.tags]
    return parents, [run for run in runs if "sweep.key" not in run.tags]


def table(runs):
    """Return, for each run, everything that does not depend on the clock."""
    return {
        run.tags["sweep.varied"]: {key: value for key, value in run.metrics.items() if not key.startswith("seconds/")}
        for run in runs
    }


def workers(driver):
    """Return the worker processes of a sweep."""
    servers = [pid for pid in children(driver) if b"forkserver" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    return [pid for server in servers for pid in children(server)]


def children(parent):
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has just ended
        if int(fields[1]) == parent and fields[0] != "Z":
            found.append(int(stat.parent.name))
    return found


def wait_for(condition, *, seconds=120):
    """Return what `condition` returns as soon as that is true."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise AssertionError(f"{condition} did not come true within {seconds} seconds")


def begun(folder):
    """Return the runs that have an epoch in the store by now."""
    return [run for group in recorded(folder) for run in group if "val/loss" in run.metrics]


def kill(pid, number=signal.SIGKILL):
    os.kill(pid, number)
