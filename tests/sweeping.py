"""Sweeps as real processes, and what they leave in their store."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

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


def start(*words, folder, multirun=True):
    command = [sys.executable, "-m", "cnnexp", *(["-m"] if multirun else []), *words]
    return subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def sweep(*words, folder, code=0, multirun=True):
    """Run a command to its end and return what it printed."""
    process = start(*words, folder=folder, multirun=multirun)
    printed, _ = process.communicate(timeout=1200)  # a busy machine
    assert process.returncode == code, printed
    return printed


def recorded(folder):
    """Return (parents, other runs) of the store, oldest first."""
    with closing(sqlite3.connect(folder / "mlflow.db", timeout=30)) as store:
        return runs_in(store)


def runs_in(store, experiment="cnnexp"):
    """Return (parents, other runs) of an open database, oldest first."""
    query = (
        "SELECT run_uuid, r.name, status FROM runs r JOIN experiments e USING (experiment_id) "
        f"WHERE r.lifecycle_stage = 'active' AND e.name = '{experiment}' ORDER BY start_time"
    )
    runs = {row[0]: Run(*row) for row in store.execute(query)}
    for table, kind in (("params", "params"), ("latest_metrics", "metrics"), ("tags", "tags")):
        for run_id, key, value in store.execute(f"SELECT run_uuid, key, value FROM {table}"):
            if run_id in runs:
                getattr(runs[run_id], kind)[key] = value
    parents = [run for run in runs.values() if "sweep.key" in run.tags]
    return parents, [run for run in runs.values() if "sweep.key" not in run.tags]


def table(runs):
    """Return, for each run, everything that does not depend on the clock."""
    return {
        run.tags["sweep.varied"]: {key: value for key, value in run.metrics.items() if not key.startswith("seconds/")}
        for run in runs
    }


def workers(driver):
    """Return the processes in which the runs of a sweep are going on."""
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


def epochs(folder):
    """Return how many values of val/loss the store has by now, for each run."""
    try:
        with closing(sqlite3.connect(f"file:{folder}/mlflow.db?mode=ro", uri=True)) as store:
            rows = store.execute("SELECT run_uuid, count(*) FROM metrics WHERE key = 'val/loss' GROUP BY run_uuid")
            return dict(rows.fetchall())
    except sqlite3.OperationalError:
        return {}


def kill(pid, number=signal.SIGKILL):
    os.kill(pid, number)
