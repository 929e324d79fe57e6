"""Sweeps as job arrays of Slurm: what is queued, and what becomes of it on a node of its own."""

import json
import shutil
import signal
import subprocess
from pathlib import Path

import pytest

from cnnexp.config import SlurmConfig
from cnnexp.errors import ConfigError
from cnnexp.sweeps.slurm.scripts import comparison_script, runs_script
from cnnexp.sweeps.slurm.sweep_folder import new_folder
from cnnexp.system import resources
from support.slurm import one_node
from support.sweep_processes import WORDS, begun, kill, recorded, start, sweep, table, wait_for, workers

PLAIN = {
    "_target_": "",
    "partition": None,
    "account": None,
    "time": None,
    "cpus": 2,
    "memory": None,
    "gpus": 0,
    "options": [],
    "setup": [],
    "follow": True,
}
SLURM = ["hydra/launcher=slurm", "hydra.launcher.cpus=1", "hydra.launcher.memory=null"]
# The first two are healthy, the third diverges, the fourth is long enough to be stopped in between.
FOUR = [
    "training=smoke",
    "training.patience=null",
    "optimizer=sgd",
    "regularization.l2=0.1",
    "optimizer.learning_rate=0.01,0.05,100,0.02",
    "training.epochs=300",
    "training.threads=1",
]


def script(numbers=(0, 1, 2, 5), **changed):
    settings = SlurmConfig(**{**PLAIN, **changed})
    return runs_script(settings, name="s", folder=Path("/a b/%j"), numbers=numbers, cpus=3, at_a_time=2)


def test_the_script_asks_for_what_a_run_needs():
    written = script(partition="gpu", account="me", time="1:30:00", memory="8G", gpus=1, options=["--qos=low"])
    asked = [line.removeprefix("#SBATCH ") for line in written.splitlines() if line.startswith("#SBATCH ")]
    assert {
        "--array=0-2,5%2",
        "--cpus-per-task=3",
        "--partition=gpu",
        "--account=me",
        "--time=1:30:00",
        "--mem=8G",
        "--gres=gpu:1",
        "--qos=low",
        "--requeue",
        "--open-mode=append",
        "--signal=B:USR1@60",
        '--output="/a b/%%j/run-%a.log"',
    } <= set(asked)
    assert written.endswith("""-m cnnexp.sweeps.slurm.task '/a b/%j' "$SLURM_ARRAY_TASK_ID"\n""")


def test_what_is_not_set_is_left_to_the_cluster():
    assert not {"--partition", "--account", "--time", "--mem", "--gres"} & {
        line.removeprefix("#SBATCH ").partition("=")[0] for line in script().splitlines()
    }


def test_setup_stands_before_the_run_and_bash_can_read_it():
    written = script(setup=["module load cuda", "export A='b c'"])
    assert written.index("module load cuda\nexport A='b c'\nexec ") > written.rindex("#SBATCH")
    subprocess.run(["bash", "-n"], input=written, text=True, check=True)


def test_numbers_above_the_largest_index_are_counted_from_another_first():
    settings = SlurmConfig(**PLAIN)
    written = runs_script(
        settings, name="s", folder=Path("/f"), numbers=[1001, 1003], first=1001, cpus=1, at_a_time=None
    )
    assert "--array=0,2\n" in written
    assert "run-1001+%a.log" in written
    assert written.endswith("task /f $((1001 + SLURM_ARRAY_TASK_ID))\n")


def test_two_sweeps_of_one_second_have_a_folder_each(tmp_path):
    asked = tmp_path / "multirun" / "20-31-02"
    assert [new_folder(asked).name for _ in range(3)] == ["20-31-02", "20-31-02-2", "20-31-02-3"]


def test_the_comparison_takes_one_core_and_no_device():
    written = comparison_script(SlurmConfig(**{**PLAIN, "gpus": 4}), name="s", folder=Path("/f"))
    assert "--cpus-per-task=1\n" in written
    assert "gres" not in written
    assert "--array" not in written


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"cpus": 0}, "hydra.launcher.cpus must be at least 1"),
        ({"time": "an hour"}, "hydra.launcher.time must be minutes"),
        ({"memory": "4 GB"}, "hydra.launcher.memory must be a number with K, M, G or T"),
        ({"options": ["qos=low"]}, "hydra.launcher.options are options of sbatch"),
    ],
)
def test_what_sbatch_would_refuse_is_refused_before(changed, message):
    with pytest.raises(ConfigError, match=message):
        SlurmConfig(**{**PLAIN, **changed})


def test_cores_are_those_that_slurm_has_given(monkeypatch):
    resources.cores.cache_clear()
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "1")
    try:
        assert resources.cores() == 1
    finally:
        resources.cores.cache_clear()


def test_a_dry_run_prints_the_script_where_there_is_no_slurm(tmp_path):
    words = ["hydra/launcher=slurm", "hydra.launcher.time=1:30:00", "hydra.launcher.options=['--qos=low']"]
    printed = sweep(*WORDS, "seed=0,1", "sweep.workers=1", *words, "sweep.dry_run=true", folder=tmp_path)
    assert "2 runs, 0 done, 2 to do" in printed
    assert "#SBATCH --array=0-1%1\n" in printed
    assert "#SBATCH --time=1:30:00\n" in printed
    assert "#SBATCH --qos=low\nexec " in printed
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["hydra.launcher.gpus=-1", "seed=0,1"], 2, "hydra.launcher.gpus must be at least 0"),
        (["hydra.launcher.cpus=many", "seed=0,1"], 2, "hydra.launcher.cpus"),
        (["hydra/sweeper=optuna", "model.width=int(interval(4,8))"], 2, "hydra/launcher=slurm queues all runs at once"),
    ],
)
def test_what_cannot_be_queued_is_one_line(tmp_path, words, code, message):
    printed = sweep(*WORDS, "hydra/launcher=slurm", *words, folder=tmp_path, code=code)
    assert message in printed
    assert printed.count("\n") == 1
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(shutil.which("sbatch") is not None, reason="Slurm is installed")
def test_a_machine_without_slurm_begins_no_sweep(tmp_path):
    printed = sweep(*WORDS, "hydra/launcher=slurm", "seed=0,1", folder=tmp_path, code=2)
    assert "there is no sbatch on this machine" in printed
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def slurm():
    with one_node() as node:
        yield node


def states(folder):
    parents, runs = recorded(folder)
    return [parent.status for parent in parents], sorted(run.status for run in runs)


def job_of(folder):
    """Return the number of the job array, once the sweep is queued."""

    def queued():
        parents, _ = recorded(folder)
        return parents and parents[0].tags.get("slurm.jobs")

    return wait_for(queued).split()[0]


def run_with(folder, rate):
    _, runs = recorded(folder)
    return next((run for run in runs if f"optimizer.learning_rate={rate}" in run.tags["sweep.varied"]), None)


def is_training(folder, rate):
    run = run_with(folder, rate)
    return run is not None and run.status == "RUNNING" and "val/loss" in run.metrics


def worker_of(number):
    """Return the process of a run on the node."""
    words = (b"cnnexp.sweeps.slurm.task", str(number).encode())
    for found in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            arguments = found.read_bytes().split(b"\0")
        except OSError:
            continue
        if words[0] in arguments and words[1] in arguments:
            return workers(int(found.parent.name))[0]
    raise AssertionError(f"no process of run {number}")


def begin_at_once(slurm, job):
    """Have a job begin that was queued again, which Slurm puts off for two minutes."""
    wait_for(lambda: slurm.job(job, "JobState") == "PENDING")
    slurm.control("update", f"JobId={job}", "StartTime=now")


@pytest.mark.slow
def test_a_sweep_outlives_its_shell_failures_and_requeueing(slurm, tmp_path):
    process = start(*FOUR, *SLURM, folder=tmp_path)
    array = job_of(tmp_path)
    process.kill()
    process.communicate()
    wait_for(lambda: is_training(tmp_path, "0.01"))
    kill(worker_of(0))  # retried within its job
    wait_for(lambda: is_training(tmp_path, "0.02"), seconds=300)
    stopped = run_with(tmp_path, "0.02").run_id
    slurm.control("requeue", f"{array}_3")
    wait_for(lambda: run_with(tmp_path, "0.02").status == "KILLED")
    begin_at_once(slurm, f"{array}_3")
    (folder,) = tmp_path.glob("multirun/*/*")
    wait_for((folder / "ended.json").exists, seconds=600)
    assert states(tmp_path) == (["FINISHED"], ["FAILED", "FINISHED", "FINISHED", "FINISHED"])
    (parent,), runs = recorded(tmp_path)
    assert "test/accuracy" in parent.tags["mlflow.note.content"], "the sweep is compared"
    assert json.loads((folder / "ended.json").read_text()) == {"total": 4, "failed": 1, "stopped": 0}
    assert "loss must stay finite" in run_with(tmp_path, "100").tags["failure"]
    assert run_with(tmp_path, "0.01").tags["attempts"] == "2"
    assert run_with(tmp_path, "0.02").run_id == stopped, "it goes on in the same run"
    assert not list(tmp_path.glob("outbox/*"))
    alone = tmp_path / "alone"
    alone.mkdir()
    sweep(*FOUR[:4], "optimizer.learning_rate=0.01,0.02", *FOUR[5:], folder=alone)  # those that were interrupted
    expected = table(recorded(alone)[1])
    assert {varied: table(runs)[varied] for varied in expected} == expected


@pytest.mark.slow
def test_ctrl_c_leaves_the_sweep_to_slurm_and_a_cancelled_one_is_resumed(slurm, tmp_path):
    words = [*WORDS, "training.threads=1", "training.epochs=100000", "seed=0,1", *SLURM]
    process = start(*words, folder=tmp_path)
    array = job_of(tmp_path)
    wait_for(lambda: len(begun(tmp_path)) == 2, seconds=300)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == 0, printed
    assert f"scancel {array}\n" in printed
    assert f"squeue --jobs={array},{int(array) + 1}" in printed
    refused = sweep(*words, folder=tmp_path, code=1)
    assert "in the queue of Slurm" in refused
    subprocess.run(["scancel", array], check=True)
    (folder,) = tmp_path.glob("multirun/*/*")
    wait_for((folder / "ended.json").exists, seconds=300)
    (parent,), runs = recorded(tmp_path)
    assert {run.status for run in (parent, *runs)} == {"KILLED"}
    stopped = {run.run_id for run in runs}
    elsewhere = sweep("latest", "hydra/launcher=cnnexp", "sweep.dry_run=true", command="resume", folder=tmp_path)
    assert "2 runs, 0 done, 2 to do" in elsewhere
    assert "#SBATCH" not in elsewhere
    resumed = start("latest", command="resume", folder=tmp_path)
    wait_for(lambda: states(tmp_path)[1].count("RUNNING") == 2, seconds=300)
    assert {run.run_id for run in recorded(tmp_path)[1]} == stopped, "they go on"
    slurm.ask("scancel", "--user=root")
    resumed.kill()
    resumed.communicate()


@pytest.mark.slow
def test_a_run_whose_time_is_up_goes_on_in_another_job(slurm, tmp_path):
    words = [*WORDS, "training.threads=1", "training.epochs=300", "seed=0,1", *SLURM]
    process = start(*words, folder=tmp_path)
    array = job_of(tmp_path)
    wait_for(lambda: len(begun(tmp_path)) == 2, seconds=300)
    before = {run.run_id for run in recorded(tmp_path)[1]}
    subprocess.run(["scancel", "--signal=USR1", "--batch", f"{array}_0"], check=True)
    begin_at_once(slurm, f"{array}_0")
    printed, _ = process.communicate(timeout=900)
    assert process.returncode == 0, printed
    assert "verdict" in printed
    (folder,) = tmp_path.glob("multirun/*/*")
    assert json.loads((folder / "0000.json").read_text())["lost"] == 1, "it costs an attempt"
    assert states(tmp_path) == (["FINISHED"], ["FINISHED", "FINISHED"])
    assert {run.run_id for run in recorded(tmp_path)[1]} == before
