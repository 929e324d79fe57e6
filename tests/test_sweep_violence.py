"""Sweeps that are interrupted, or whose processes are killed: no run is left RUNNING, or recorded twice."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.sweep_processes import WORDS, begun, kill, recorded, start, sweep, table, wait_for, workers

LONG = [*WORDS, "training.epochs=40"]  # about two seconds
SAVED = [*WORDS, "training.epochs=150", "seed=0,1,2"]  # long enough for states to be saved

SLOW = """
import time
from pathlib import Path

import numpy as np
from cnnexp.extend import Dataset, data


@data("slow")
def slow(settings):
    Path("reading").touch()
    time.sleep(3)
    images = np.random.default_rng(0).integers(0, 256, (200, 8, 8, 1), np.uint8)
    return Dataset(images=images, labels=np.arange(200) % 4)
"""


def finish(process, code):
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == code, printed
    return printed


def states(folder):
    parents, runs = recorded(folder)
    return [parent.status for parent in parents], sorted(run.status for run in runs)


def test_a_killed_run_is_retried_and_recorded_once(tmp_path):
    process = start(*LONG, "seed=0,1", folder=tmp_path)
    wait_for(lambda: len(begun(tmp_path)) == 2)
    kill(workers(process.pid)[0])
    printed = finish(process, 0)
    assert "ended by SIGKILL, most likely because memory ran out. It is tried again. Nothing runs beside it." in printed
    parents, runs = recorded(tmp_path)
    assert [run.status for run in (*parents, *runs)] == ["FINISHED"] * 3
    assert sorted(run.tags.get("attempts", "1") for run in runs) == ["1", "2"]
    assert not list(tmp_path.glob("outbox/*"))


@pytest.mark.slow
def test_a_run_that_is_killed_too_often_has_failed(tmp_path):
    process = start(*LONG, "seed=0,1", "sweep.retries=0", folder=tmp_path)
    wait_for(lambda: len(begun(tmp_path)) == 2)
    kill(workers(process.pid)[0])
    finish(process, 1)
    assert states(tmp_path) == (["FINISHED"], ["FAILED", "FINISHED"])
    _, runs = recorded(tmp_path)
    (failed,) = [run for run in runs if run.status == "FAILED"]
    assert "SIGKILL" in failed.tags["failure"]
    assert "val/loss" in failed.metrics, "what was recorded before stays"


@pytest.mark.slow
def test_a_run_that_takes_too_long_is_ended_and_the_others_go_on(tmp_path):
    words = ["training.epochs=1,100000", "sweep.time_limit=12", "sweep.retries=1"]
    printed = sweep(*WORDS, *words, folder=tmp_path, code=1)
    assert printed.count("It took longer than sweep.time_limit=12 seconds.") == 2
    assert states(tmp_path) == (["FINISHED"], ["FAILED", "FINISHED"])


@pytest.mark.slow
def test_a_dead_fork_server_costs_the_runs_an_attempt(tmp_path):
    process = start(*LONG, "seed=0,1,2", folder=tmp_path)
    wait_for(lambda: len(begun(tmp_path)) == 2)
    running = workers(process.pid)
    with Path(f"/proc/{running[0]}/stat").open() as file:
        kill(int(file.read().rpartition(")")[2].split()[1]))
    finish(process, 0)
    assert states(tmp_path) == (["FINISHED"], ["FINISHED"] * 3)
    assert not any(Path(f"/proc/{pid}").exists() for pid in running)


@pytest.mark.slow
def test_ctrl_c_once_lets_runs_finish(tmp_path):
    process = start(*LONG, "seed=0,1,2,3", "tracking.uri=sqlite:///mlflow.db", folder=tmp_path)
    wait_for(lambda: len(begun(tmp_path)) == 2)
    kill(process.pid, signal.SIGINT)
    printed = finish(process, 130)
    assert "no new runs" in printed
    assert states(tmp_path) == (["KILLED"], ["FINISHED", "FINISHED"])
    here = f"tracking.uri=sqlite:///{tmp_path}/mlflow.db"
    assert f"resume {recorded(tmp_path)[0][0].run_id[:12]} {here}" in printed
    sweep("resume", "latest", here, "tracking.run_name=again", "data.cache=other", folder=tmp_path, multirun=False)
    assert states(tmp_path) == (["FINISHED"], ["FINISHED"] * 4)


@pytest.mark.slow
def test_ctrl_c_while_the_data_are_read_begins_no_run(tmp_path):
    (tmp_path / "slow.py").write_text(SLOW, encoding="utf-8")
    process = start("--extend=slow.py", "data=slow", *LONG, "data.limit=null", "seed=0,1,2,3", folder=tmp_path)
    wait_for((tmp_path / "reading").exists)
    kill(process.pid, signal.SIGINT)
    assert "no new runs" in finish(process, 130)
    assert states(tmp_path) == (["KILLED"], [])


@pytest.mark.slow
@pytest.mark.parametrize(("signals", "code"), [([signal.SIGINT, signal.SIGINT], 130), ([signal.SIGTERM], 143)])
def test_ctrl_c_twice_and_sigterm_stop_now(tmp_path, signals, code):
    process = start(*WORDS, "training.epochs=100000", "seed=0,1,2", folder=tmp_path)
    wait_for(lambda: len(begun(tmp_path)) == 2)
    running = workers(process.pid)
    for number in signals:
        kill(process.pid, number)
        time.sleep(0.5)
    finish(process, code)
    assert states(tmp_path) == (["KILLED"], ["KILLED", "KILLED"])
    assert not any(Path(f"/proc/{pid}").exists() for pid in running)


@pytest.mark.slow
def test_ctrl_c_on_the_terminal_reaches_only_the_sweep(tmp_path):
    """A terminal sends SIGINT to every process of the group."""
    process = start(*LONG, "seed=0,1", folder=tmp_path)
    wait_for(lambda: len(begun(tmp_path)) == 2)
    for pid in (*workers(process.pid), process.pid):
        kill(pid, signal.SIGINT)
    finish(process, 130)
    assert states(tmp_path) == (["KILLED"], ["FINISHED", "FINISHED"])


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    sweep(*SAVED, folder=folder)
    return table(recorded(folder)[1])


def states_saved(folder):
    return list(folder.glob("cache/cnnexp/checkpoints/*/rest.state"))


@pytest.mark.slow
def test_a_retried_run_goes_on_from_its_state(tmp_path, monkeypatch, undisturbed):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    process = start(*SAVED, folder=tmp_path)
    wait_for(lambda: len(states_saved(tmp_path)) == 2)
    kill(workers(process.pid)[0])
    printed = finish(process, 0)
    assert "It is tried again" in printed
    assert printed.count("Its saved state is used") == 1
    assert table(recorded(tmp_path)[1]) == undisturbed
    assert not states_saved(tmp_path)


@pytest.mark.slow
def test_resuming_after_the_sweep_itself_was_killed(tmp_path, monkeypatch, undisturbed):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    process = start(*SAVED, folder=tmp_path)
    wait_for(lambda: len(states_saved(tmp_path)) == 2)
    running = workers(process.pid)
    kill(process.pid)
    process.communicate(timeout=60)
    wait_for(lambda: not any(Path(f"/proc/{pid}").exists() for pid in running), seconds=5)
    wait_for(lambda: "RUNNING" not in states(tmp_path)[0] + states(tmp_path)[1], seconds=20)
    printed = sweep("resume", "latest", folder=tmp_path, multirun=False)
    assert "resuming" in printed
    assert printed.count("Its saved state is used") == 2
    assert states(tmp_path) == (["FINISHED"], ["FINISHED"] * 3)
    assert table(recorded(tmp_path)[1]) == undisturbed


@pytest.mark.slow
def test_violence_at_random_moments():
    """A few rounds of the benchmark, which does fifty."""
    script = Path(__file__).parents[1] / "benchmarks" / "kills.py"
    command = [sys.executable, str(script), "--sweeps", "--rounds", "4", "--seed", "1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1800, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 of 4 rounds passed" in done.stdout
