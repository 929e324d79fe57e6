"""The processes of a sweep: used again for what they fit, and only for that."""

import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cnnexp.compose import compose_config, run_command
from cnnexp.errors import DataError
from cnnexp.records import DatasetInfo, EpochValues
from cnnexp.report.sweep_progress import SweepReport
from cnnexp.sweeps.attempts import Attempts
from cnnexp.sweeps.executors.process_executor import ProcessExecutor
from cnnexp.sweeps.executors.protocol import (
    DatasetInspected,
    EpochEnded,
    Failed,
    Finished,
    InspectTask,
    Noted,
    Progressed,
    TrainTask,
    WorkerDied,
)
from cnnexp.sweeps.inspector import DatasetInspector, ExecutorReader
from cnnexp.system.signals import name_of
from cnnexp.tracking import OwnedRecord
from support.image_folders import write_classes, write_image
from support.sweep_processes import children

DIGITS = InspectTask(compose_config([]).data)
MISSING = InspectTask(compose_config(["data=folder", "data.path=/nowhere"]).data)


@pytest.fixture
def executor():
    made = ProcessExecutor(cores=2, limit=None)
    yield made
    made.kill_all()


def messages(executor, *, seconds=60.0):
    """Wait until all tasks have ended; return the messages of each, in the order of their first messages."""
    received = {}
    while len(executor):
        for worker, message in executor.receive(timeout=seconds):
            received.setdefault(worker, []).append(message)
    return list(received.values())


def fork_servers():
    """Return the fork servers of this process."""
    return [pid for pid in children(os.getpid()) if b"forkserver" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def begin(executor, task, tmp_path, *, threads=1):
    return executor.start(task, log=tmp_path / "log.txt", threads=threads, time_limit=None)


@pytest.fixture
def training(tmp_path):
    """Return a function that makes tasks of tiny runs, whose records it owns."""
    records = []

    def task(*words, environment=None):
        store = f"tracking.uri=sqlite:///{tmp_path}/mlflow.db"
        tiny = ["training.threads=1", "data.limit=100", "training.epochs=2"]
        config = compose_config([*tiny, store, f"tracking.outbox={tmp_path}/outbox", *words])
        records.append(
            OwnedRecord.begin(config.tracking, run_name="run", parameters={}, config_yaml=None, tags={}, commit=None)
        )
        return TrainTask(
            "run", config, None, records[-1].folder, environment or {}, False, run_command(config, words), "key"
        )

    yield task
    for record in records:
        record.discard()
        record.wait()


def test_a_process_that_has_ended_its_task_gets_the_next_one(executor, tmp_path):
    first = begin(executor, DIGITS, tmp_path)
    assert [type(message) for message in messages(executor)[0]] == [DatasetInspected]
    second = begin(executor, DIGITS, tmp_path)
    assert second.process.pid == first.process.pid
    assert [type(message) for message in messages(executor)[0]] == [DatasetInspected]


def test_it_is_ended_for_one_with_another_number_of_threads(executor, tmp_path):
    first = begin(executor, DIGITS, tmp_path, threads=1)
    messages(executor)
    second = begin(executor, DIGITS, tmp_path, threads=2)
    assert second.process.pid != first.process.pid
    assert not first.process.is_alive()
    messages(executor)


def test_a_new_process_trusts_what_others_have_read_of_the_cache(executor, tmp_path):
    folder = write_classes(tmp_path / "data", {"a": 20, "b": 20})
    words = ["data=folder", f"data.path={folder}", f"data.cache={tmp_path / 'cache'}"]
    task = InspectTask(compose_config(words).data)
    begin(executor, task, tmp_path)
    assert any(isinstance(message, Progressed) for message in messages(executor)[0])
    begin(executor, task, tmp_path, threads=2)
    assert [type(message) for message in messages(executor)[0]] == [DatasetInspected]
    (images,) = [path for path in executor.verified if path.name == "images.npy"]
    executor.verified[images] = dataclasses.replace(executor.verified[images], checksum="of another content")
    begin(executor, task, tmp_path, threads=1)
    found = messages(executor)[0]
    assert any(isinstance(message, Progressed) for message in found), "it had taken the file's word, and decoded again"
    assert isinstance(found[-1], DatasetInspected)


def test_one_that_has_held_too_much_memory_gets_no_other(tmp_path):
    thrifty = ProcessExecutor(cores=2, limit=None, max_memory=0)
    first = begin(thrifty, DIGITS, tmp_path)
    assert isinstance(messages(thrifty)[0][-1], DatasetInspected)
    assert not first.process.is_alive()
    assert begin(thrifty, DIGITS, tmp_path).process.pid != first.process.pid
    messages(thrifty)


def test_one_whose_task_failed_gets_no_other(executor, tmp_path):
    first = begin(executor, MISSING, tmp_path)
    assert isinstance(messages(executor)[0][-1], Failed)
    assert not first.process.is_alive()
    assert begin(executor, DIGITS, tmp_path).process.pid != first.process.pid
    assert isinstance(messages(executor)[0][-1], DatasetInspected)


def test_one_that_dies_while_it_waits_is_replaced(executor, tmp_path):
    first = begin(executor, DIGITS, tmp_path)
    messages(executor)
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.join()
    begin(executor, DIGITS, tmp_path)
    assert isinstance(messages(executor)[0][-1], DatasetInspected)


def test_a_dead_fork_server_is_replaced_by_one_that_ignores_ctrl_c_too(executor, tmp_path):
    begin(executor, DIGITS, tmp_path)
    messages(executor)
    executor.kill_all()
    (server,) = fork_servers()
    os.kill(server, signal.SIGKILL)
    worker = begin(executor, DIGITS, tmp_path)
    assert isinstance(messages(executor)[0][-1], DatasetInspected)
    status = Path(f"/proc/{worker.process.pid}/status")
    if status.exists():
        (blocked,) = [line for line in status.read_text().splitlines() if line.startswith("SigBlk")]
        assert int(blocked.split()[1], 16) & 1 << (signal.SIGINT - 1), "Ctrl-C is for the sweep"


def test_one_that_dies_at_work_is_reported_and_takes_no_other_with_it(executor, training, tmp_path):
    first = begin(executor, training("training.epochs=500"), tmp_path)
    other = begin(executor, DIGITS, tmp_path)
    received = {first: [], other: []}
    while len(executor):
        for worker, message in executor.receive(timeout=60):
            received[worker].append(message)
            if worker is first and isinstance(message, EpochEnded):
                os.kill(first.process.pid, signal.SIGKILL)
                first.process.join()
    assert isinstance(received[first][-1], WorkerDied)
    assert "SIGKILL" in received[first][-1].reason
    assert isinstance(received[other][-1], DatasetInspected)


def test_a_signal_that_python_has_no_name_for_has_one():
    assert [name_of(number) for number in (signal.SIGBUS, signal.SIGRTMIN + 1)] == ["SIGBUS", "SIGRTMIN+1"]


@pytest.mark.parametrize(("answered_at", "pruned"), [(1, 1), (2, None)])
def test_a_run_is_pruned_when_answered_so_but_not_after_its_last_epoch(
    executor, training, tmp_path, answered_at, pruned
):
    worker = begin(executor, dataclasses.replace(training(), prunable=True), tmp_path)
    received = []
    while len(executor):
        for _, message in executor.receive(timeout=60):
            received.append(message)
            if isinstance(message, EpochEnded):
                worker.answer(message.values.epoch == answered_at)
    assert isinstance(received[-1], Finished)
    assert received[-1].pruned_after == pruned
    assert ("test/accuracy" in received[-1].metrics) == (pruned is None)


def attempt(executor, task, tmp_path, *, killed=False):
    """Return what an attempt at a run reports; `killed`: its process is, once it has reported an epoch and a state."""
    worker = begin(executor, task, tmp_path)
    received = []
    while len(executor):
        for _, message in executor.receive(timeout=60):
            received.append(message)
            if killed and isinstance(message, EpochEnded) and list(tmp_path.glob("cache/checkpoints/*/rest.state")):
                os.kill(worker.process.pid, signal.SIGKILL)
    assert isinstance(received[-1], WorkerDied if killed else Finished), received[-1]
    return received


def first_steps(received):
    """Return how many epochs are done when an attempt first reports steps."""
    first = next(one for one in received if isinstance(one, Progressed) and one.stage == "training")
    return first.done / (first.total / 300)


def said(received):
    return " ".join(one.text for one in received if isinstance(one, Noted))


@pytest.mark.slow
def test_another_attempt_starts_from_the_state_or_says_that_it_cannot(executor, training, tmp_path):
    words = ["training.epochs=300", "training.patience=null", f"data.cache={tmp_path / 'cache'}"]
    undisturbed = attempt(executor, training(*words, "training.checkpoint_every=null"), tmp_path)
    expected = _without_seconds(undisturbed[-1].metrics)

    attempt(executor, training(*words), tmp_path, killed=True)
    resumed = attempt(executor, training(*words), tmp_path)
    assert first_steps(resumed) > 1
    assert re.search(r"saved state is used: \d+ epochs are done", said(resumed))
    assert _without_seconds(resumed[-1].metrics) == expected
    epochs = [one.values.epoch for one in resumed if isinstance(one, EpochEnded)]
    assert epochs == list(range(1, 301)), "each is reported once, those before the state, too"
    assert not list(tmp_path.glob("cache/checkpoints/*"))

    attempt(executor, training(*words), tmp_path, killed=True)
    (origin,) = tmp_path.glob("cache/checkpoints/*/origin.json")
    origin.write_text(json.dumps(json.loads(origin.read_text()) | {"processor": "another"}))
    restarted = attempt(executor, training(*words), tmp_path)
    assert first_steps(restarted) <= 1
    assert "Begun anew" in said(restarted)
    assert "instead of another" in said(restarted)
    assert _without_seconds(restarted[-1].metrics) == expected

    attempt(executor, training(*words), tmp_path, killed=True)
    lower = attempt(executor, training(*words, "training.precision=bfloat16"), tmp_path)
    assert first_steps(lower) <= 1
    assert "precision bfloat16 instead of float32" in said(lower)


def test_runs_of_one_process_come_out_as_if_each_had_its_own(executor, training, tmp_path):
    settings = [["seed=3"], ["optimizer.learning_rate=0.01"], ["regularization.dropout=0.2"], ["seed=3"]]

    def epochs(*words):
        worker = begin(executor, training(*words), tmp_path)
        received = messages(executor)[0]
        assert isinstance(received[-1], Finished)
        values = [message.values for message in received if isinstance(message, EpochEnded)]
        return worker.process.pid, [_without_time(one) for one in values], _without_seconds(received[-1].metrics)

    shared = [epochs(*words) for words in settings]
    assert len({pid for pid, _, _ in shared}) == 1
    for (_, values, metrics), words in zip(shared, settings, strict=True):
        executor.kill_all()
        _, alone, of_alone = epochs(*words)
        assert (values, metrics) == (alone, of_alone)


def test_a_run_with_variables_of_its_own_has_a_process_of_its_own(executor, training, tmp_path):
    before = begin(executor, DIGITS, tmp_path)
    messages(executor)
    alone = begin(executor, training(environment={"CNNEXP_TEST": "1"}), tmp_path)
    assert alone.process.pid != before.process.pid
    assert isinstance(messages(executor)[0][-1], Finished)
    assert not alone.process.is_alive()


def test_a_process_runs_the_script_of_its_parent_again_unless_that_is_forbidden(tmp_path):
    """Holds what `forkserver` relies on in CPython, which documents it in passing."""
    script = tmp_path / "script.py"
    script.write_text(
        "import sys, os, signal\nprint('main', flush=True)\n"
        "from cnnexp.sweeps.executors import forkserver\n"
        "def blocked(): return signal.SIGINT in signal.pthread_sigmask(signal.SIG_BLOCK, ())\n"
        "if __name__ == '__main__':\n"
        "    if sys.argv[1:]: forkserver.never_rerun_main()\n"
        "    context = forkserver.start()\n"
        "    assert not blocked() and os.environ.get('JE_ARROW_MALLOC_CONF') is None\n"
        "    process = context.Process(target=os.system, args=('echo $JE_ARROW_MALLOC_CONF',))\n"
        "    process.start()\n    process.join()\n"
    )

    def printed(*arguments):
        command = [sys.executable, str(script), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout.split()

    assert printed() == ["main", "main", "background_thread:false"]
    assert printed("forbid") == ["main", "background_thread:false"]


@pytest.mark.parametrize(
    ("ended", "attempts"),
    [
        (WorkerDied("killed"), 3),
        (Failed("OSError: disk", "", expected=False), 3),
        (Failed("The training loss must stay finite", "", expected=True), 1),
        (Failed("Memory ran out in training", "", expected=True, memory=True), 2),
        (WorkerDied("killed by the kernel", memory=True), 2),
    ],
    ids=["died", "unexpected", "expected", "memory", "killed"],
)
def test_what_is_attempted_again(ended, attempts):
    count = Attempts(retries=2)
    while count.another_after(ended):
        count.begin_another(alone=ended.memory)
    assert count.number == attempts


def test_a_sweep_says_once_what_is_said_of_its_data(executor, tmp_path, capsys):
    folder = write_classes(tmp_path / "data", {"cat": 24, "dog": 24})
    write_image(folder / "beside.png")
    words = ["data=folder", f"data.path={folder}", f"data.cache={tmp_path / 'cache'}"]
    read = ExecutorReader(
        executor, SweepReport(), log=tmp_path / "log.txt", retries=0, on_message=print, give_up=lambda: False
    )
    inspector = DatasetInspector(read)
    for seed in (0, 1):
        inspector.inspect(compose_config([*words, f"seed={seed}"]).data)
    printed = " ".join(capsys.readouterr().out.split())
    assert printed.count("note: Left out: 1 image beside the class folders, not in one, such as beside.png.") == 1


def test_a_data_set_is_inspected_once_whether_it_can_be_read_or_not():
    read = []

    def inspect(data):
        read.append(data)
        if data.name == "folder":
            raise DataError("nowhere")
        return DatasetInfo("d1", 8, 8, (5, 5))

    inspector = DatasetInspector(inspect)
    digits, missing = DIGITS.data, MISSING.data
    assert inspector.inspect(digits) is inspector.inspect(dataclasses.replace(digits, limit=10))
    for _ in range(2):
        with pytest.raises(DataError, match="nowhere"):
            inspector.inspect(missing)
    assert read == [digits.whole(), missing.whole()]


def _without_time(values: EpochValues):
    return (values.epoch, values.train_loss, values.train_accuracy, values.val_loss, values.val_accuracy)


def _without_seconds(metrics):
    return {name: value for name, value in metrics.items() if not name.startswith("seconds")}


KILLED = """
import os, signal, sys
from cnnexp.sweeps.executors import forkserver

forkserver.never_rerun_main()
context = forkserver.start()
process = context.Process(target=print)
process.start()  # answered when the server has imported everything
process.join()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.slow
def test_nothing_stays_in_the_temporary_folder_of_a_process_that_is_killed(tmp_path):
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", KILLED], env=environment, timeout=300, check=False)
    assert done.returncode == -signal.SIGKILL
    deadline = time.monotonic() + 60
    while list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert list(tmp_path.iterdir()) == []
