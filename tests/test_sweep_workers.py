"""The processes of a sweep: used again for what they fit, and only for that."""

import dataclasses
import os
import signal
from multiprocessing import forkserver
from pathlib import Path

import pytest

from cnnexp.compose import compose_config
from cnnexp.records import EpochValues
from cnnexp.sweeps.executors import forkserver as warm
from cnnexp.sweeps.executors import process_worker
from cnnexp.sweeps.executors.process_executor import Worker, Workers
from cnnexp.sweeps.executors.protocol import Assignment, EpochEnded, Failed, Finished, Lost, Reading, Surveyed
from cnnexp.tracking import OwnedRecord

DIGITS = Reading(compose_config([]).data)
MISSING = Reading(compose_config(["data=folder", "data.path=/nowhere"]).data)


@pytest.fixture
def workers():
    made = Workers(cores=2, limit=None)
    yield made
    made.kill_all()


def last_words(workers, *, seconds=60.0):
    """Listen until everybody at work has ended; return what each said, in the order of the ends."""
    said = {}
    while len(workers):
        for worker, message in workers.listen(patience=seconds):
            said.setdefault(worker, []).append(message)
    return list(said.values())


def begin(workers, task, tmp_path, *, threads=1):
    return workers.start(task, log=tmp_path / "log.txt", threads=threads, time_limit=None)


@pytest.fixture
def training(tmp_path):
    """Return a maker of assignments of tiny runs, whose records it holds."""
    records = []

    def assignment(*words, environment=None):
        store = f"tracking.uri=sqlite:///{tmp_path}/mlflow.db"
        tiny = ["training.threads=1", "data.limit=100", "training.epochs=2"]
        config = compose_config([*tiny, store, f"tracking.outbox={tmp_path}/outbox", *words])
        records.append(
            OwnedRecord.begin(config.tracking, run_name="run", parameters={}, config_yaml=None, tags={}, commit=None)
        )
        return Assignment("run", config, None, records[-1].folder, environment or {}, may_be_stopped=False)

    yield assignment
    for record in records:
        record.discard()
        record.wait()


def test_a_process_that_has_ended_its_task_gets_the_next_one(workers, tmp_path):
    first = begin(workers, DIGITS, tmp_path)
    assert [type(message) for message in last_words(workers)[0]] == [Surveyed]
    second = begin(workers, DIGITS, tmp_path)
    assert second.process.pid == first.process.pid
    assert [type(message) for message in last_words(workers)[0]] == [Surveyed]


def test_it_is_ended_for_one_with_another_number_of_threads(workers, tmp_path):
    first = begin(workers, DIGITS, tmp_path, threads=1)
    last_words(workers)
    second = begin(workers, DIGITS, tmp_path, threads=2)
    assert second.process.pid != first.process.pid
    assert not first.process.is_alive()
    last_words(workers)


def test_one_that_has_held_too_much_memory_gets_no_other(workers, tmp_path):
    context = warm.start()
    ours, theirs = context.Pipe()
    process = context.Process(target=process_worker.serve, args=(theirs,), kwargs={"most_memory": 0}, daemon=True)
    process.start()
    theirs.close()
    first = Worker(process, ours, 1, tmp_path / "log.txt")
    workers._idle.append(first)
    assert begin(workers, DIGITS, tmp_path) is first
    assert isinstance(last_words(workers)[0][-1], Surveyed)
    assert not first.process.is_alive()
    assert begin(workers, DIGITS, tmp_path).process.pid != first.process.pid
    last_words(workers)


def test_one_whose_task_failed_gets_no_other(workers, tmp_path):
    first = begin(workers, MISSING, tmp_path)
    assert isinstance(last_words(workers)[0][-1], Failed)
    assert not first.process.is_alive()
    assert begin(workers, DIGITS, tmp_path).process.pid != first.process.pid
    assert isinstance(last_words(workers)[0][-1], Surveyed)


def test_one_that_dies_while_it_waits_is_replaced(workers, tmp_path):
    first = begin(workers, DIGITS, tmp_path)
    last_words(workers)
    os.kill(first.process.pid, signal.SIGKILL)
    first.process.join()
    begin(workers, DIGITS, tmp_path)
    assert isinstance(last_words(workers)[0][-1], Surveyed)


def test_a_dead_fork_server_is_replaced_by_one_as_careful(workers, tmp_path):
    begin(workers, DIGITS, tmp_path)
    last_words(workers)
    workers.kill_all()
    os.kill(forkserver._forkserver._forkserver_pid, signal.SIGKILL)
    worker = begin(workers, DIGITS, tmp_path)
    assert isinstance(last_words(workers)[0][-1], Surveyed)
    status = Path(f"/proc/{worker.process.pid}/status")
    if status.exists():
        (blocked,) = [line for line in status.read_text().splitlines() if line.startswith("SigBlk")]
        assert int(blocked.split()[1], 16) & 1 << (signal.SIGINT - 1), "Ctrl-C is for the sweep"


def test_one_that_dies_at_work_is_told_and_takes_no_other_with_it(workers, training, tmp_path):
    first = begin(workers, training("training.epochs=500"), tmp_path)
    other = begin(workers, DIGITS, tmp_path)
    said = {first: [], other: []}
    while len(workers):
        for worker, message in workers.listen(patience=60):
            said[worker].append(message)
            if worker is first and isinstance(message, EpochEnded):
                os.kill(first.process.pid, signal.SIGKILL)
                first.process.join()
    assert isinstance(said[first][-1], Lost)
    assert "SIGKILL" in said[first][-1].reason
    assert isinstance(said[other][-1], Surveyed)


@pytest.mark.parametrize(("told_after", "pruned"), [(1, 1), (2, None)])
def test_a_run_is_stopped_when_told_but_not_after_its_last_epoch(workers, training, tmp_path, told_after, pruned):
    worker = begin(workers, dataclasses.replace(training(), may_be_stopped=True), tmp_path)
    said = []
    while len(workers):
        for _, message in workers.listen(patience=60):
            said.append(message)
            if isinstance(message, EpochEnded):
                worker.answer(message.values.epoch == told_after)
    assert isinstance(said[-1], Finished)
    assert said[-1].pruned == pruned
    assert ("test/accuracy" in said[-1].metrics) == (pruned is None)


def test_runs_of_one_process_come_out_as_if_each_had_its_own(workers, training, tmp_path):
    settings = [["seed=3"], ["optimizer.learning_rate=0.01"], ["regularization.dropout=0.2"], ["seed=3"]]

    def epochs(*words):
        worker = begin(workers, training(*words), tmp_path)
        said = last_words(workers)[0]
        assert isinstance(said[-1], Finished)
        values = [message.values for message in said if isinstance(message, EpochEnded)]
        return worker.process.pid, [_without_time(one) for one in values], _without_seconds(said[-1].metrics)

    shared = [epochs(*words) for words in settings]
    assert len({pid for pid, _, _ in shared}) == 1
    for (_, values, metrics), words in zip(shared, settings, strict=True):
        workers.kill_all()
        _, alone, of_alone = epochs(*words)
        assert (values, metrics) == (alone, of_alone)


def test_a_run_with_variables_of_its_own_has_a_process_of_its_own(workers, training, tmp_path):
    before = begin(workers, DIGITS, tmp_path)
    last_words(workers)
    alone = begin(workers, training(environment={"CNNEXP_TEST": "1"}), tmp_path)
    assert alone.process.pid != before.process.pid
    assert isinstance(last_words(workers)[0][-1], Finished)
    assert not alone.process.is_alive()


def _without_time(values: EpochValues):
    return (values.epoch, values.train_loss, values.train_accuracy, values.val_loss, values.val_accuracy)


def _without_seconds(metrics):
    return {name: value for name, value in metrics.items() if not name.startswith("seconds")}
