"""GPUs of a sweep: made-up ones, and real processes that say which of them they see."""

import json

import pytest

from cnnexp.compose import compose_config, run_command
from cnnexp.sweeps.executors.leases import GpuLeases, GpuNeed
from cnnexp.sweeps.executors.process_executor import ProcessExecutor
from cnnexp.sweeps.executors.protocol import DatasetInspected, Failed, Finished, InspectTask, TrainTask
from cnnexp.sweeps.jobs import Job
from cnnexp.sweeps.run_records import SweepRun
from cnnexp.system.devices import Devices, Gpu
from cnnexp.system.find_devices import made_up
from cnnexp.system.ray_cluster import gpus_of
from cnnexp.tracking import OwnedRecord
from support.sweep_processes import recorded, sweep

GIB = 2**30
NEED, OTHER = GpuNeed("small"), GpuNeed("large")


def gpus(count, memory=8 * GIB):
    return tuple(Gpu(f"G{place}", place, str(place), memory) for place in range(count))


# --- the book of leases


@pytest.mark.parametrize("count", [1, 2, 4])
def test_each_run_has_a_gpu_of_its_own_until_its_peak_is_known(count):
    leases = GpuLeases(gpus(count), per_gpu=None)
    for place in range(count):
        assert leases.places_for(NEED)[0] == (place,)
        leases.take((place,), NEED)
    assert leases.places_for(NEED) == []
    leases.give_back((count - 1,), NEED)
    assert leases.places_for(NEED) == [(count - 1,)]


def test_as_many_share_a_gpu_as_their_peaks_fit():
    leases = GpuLeases(gpus(1), per_gpu=None)
    leases.measured(NEED, 1 * GIB)
    shared = 0
    while leases.places_for(NEED):
        leases.take((0,), NEED)
        shared += 1
    assert shared == 4  # each takes 1.25 GiB and the context of its process
    leases.give_back((0,), NEED)
    assert leases.places_for(OTHER) == [], "its peak is unknown"
    leases.measured(OTHER, 3 * GIB)
    assert leases.places_for(OTHER) == []
    leases.give_back((0,), NEED)
    leases.give_back((0,), NEED)
    assert leases.places_for(OTHER) == [(0,)]


def test_a_gpu_whose_memory_is_unknown_is_not_shared():
    leases = GpuLeases(gpus(1, memory=None), per_gpu=None)
    leases.measured(NEED, GIB)
    leases.take((0,), NEED)
    assert leases.places_for(NEED) == []


def test_runs_share_a_gpu_as_they_are_told_and_the_emptiest_comes_first():
    leases = GpuLeases(gpus(2), per_gpu=2)
    taken = []
    while places := leases.places_for(NEED):
        leases.take(places[0], NEED)
        taken.append(places[0])
    assert taken == [(0,), (1,), (0,), (1,)]


def test_a_run_that_names_its_gpu_waits_for_that():
    leases = GpuLeases(gpus(4), per_gpu=1)
    second = GpuNeed("small", number=1)
    leases.take((1,), second)
    assert leases.places_for(second) == []
    assert leases.places_for(NEED) == [(0,), (2,), (3,)]


def test_a_run_on_all_gpus_has_them_to_itself():
    leases, every = GpuLeases(gpus(2), per_gpu=2), GpuNeed("small", every=True)
    leases.take((0,), NEED)
    assert leases.places_for(every) == []
    leases.give_back((0,), NEED)
    assert leases.places_for(every) == [(0, 1)]
    leases.take((0, 1), every)
    assert leases.places_for(NEED) == leases.places_for(every) == []
    leases.give_back((0, 1), every)
    assert len(leases.places_for(NEED)) == 2


def test_what_a_run_needs_follows_from_its_settings():
    def need(*overrides, device="gpu"):
        config = compose_config(list(overrides))
        job = Job(0, tuple(overrides), {}, config, "run", "run", {})
        used = compose_config([*overrides, f"training.device={device}"])
        return SweepRun(job, "hash", used, "digest", None, None, None).gpu

    assert need(device="cpu") is None
    assert need("training.device=gpu:1").number == 1
    assert need("training.strategy=mirrored").every
    assert need() == need("seed=3") == need("optimizer.learning_rate=0.5") == need("regularization.dropout=0.5")
    assert len({need().form, need("training.batch_size=64").form, need("model=vgg").form}) == 3


def test_gpus_of_a_ray_node_are_those_that_ray_knows():
    def found(**offered):
        return [
            (gpu.name, gpu.capability) for gpu in gpus_of({name.replace("__", ":"): n for name, n in offered.items()})
        ]

    assert found(CPU=8.0) == []
    assert found(CPU=8.0, GPU=2.0, accelerator_type__A100=1.0) == [("A100", (8, 0))] * 2
    assert found(GPU=1.0, accelerator_type__T4=1.0) == [("T4", None)]
    assert found(GPU=1.0) == [("GPU", None)]
    for model, capability in {
        "L4": (8, 0),
        "GeForce-RTX-4090": (8, 0),
        "GeForce-RTX-2080-Ti": None,
        "P100": None,
    }.items():
        assert found(**{"GPU": 1.0, f"accelerator_type__{model}": 1.0}) == [(model, capability)]


# --- processes


@pytest.fixture
def training(tmp_path):
    """Return a function that makes tasks of tiny runs on a GPU, in processes that see made-up ones."""
    records = []

    def task(devices, *words):
        store = f"tracking.uri=sqlite:///{tmp_path}/mlflow.db"
        tiny = ["training.threads=1", "data.limit=100", "training.epochs=1", "training.device=gpu"]
        config = compose_config([*tiny, store, f"tracking.outbox={tmp_path}/outbox", *words])
        records.append(
            OwnedRecord.begin(config.tracking, run_name="run", parameters={}, config_yaml=None, tags={}, commit=None)
        )
        there = {"CNNEXP_GPUS": json.dumps([{"name": gpu.name, "memory": gpu.memory} for gpu in devices.gpus])}
        return TrainTask("run", config, None, records[-1].folder, there, False, run_command(config, words), "key")

    yield task
    for record in records:
        record.discard()
        record.wait()


def seen(task):
    """What the process of a run has recorded of its devices."""
    (file,) = task.record.rglob("environment.json")
    environment = json.loads(file.read_text())
    return environment["cuda_visible_devices"], environment["device"]


def begun(executor, make, tmp_path, *, most):
    """Begin as many runs as there is room for."""
    tasks = []
    while len(tasks) < most and executor.has_room(1, NEED):
        tasks.append(make())
        executor.start(tasks[-1], log=tmp_path / f"{len(tasks)}.txt", threads=1, time_limit=None, gpu=NEED)
    return tasks


def ended(executor):
    """Wait for all tasks; return their last messages."""
    last = {}
    while len(executor):
        for worker, message in executor.receive(timeout=120):
            last[worker] = message
    return list(last.values())


@pytest.mark.parametrize(("count", "per_gpu"), [(1, 2), (2, 1), pytest.param(4, 1, marks=pytest.mark.slow)])
def test_each_process_sees_the_gpu_of_its_run_and_no_other(count, per_gpu, training, tmp_path):
    devices = Devices(gpus(count))
    executor = ProcessExecutor(cores=8, limit=None, devices=devices, per_gpu=per_gpu)
    try:
        tasks = begun(executor, lambda: training(devices), tmp_path, most=9)
        assert len(tasks) == count * per_gpu
        assert all(isinstance(message, Finished) and message.gpu_memory for message in ended(executor))
        assert sorted(map(seen, tasks)) == sorted([(str(n), f"G{n}") for n in range(count)] * per_gpu)
    finally:
        executor.kill_all()


def test_the_first_run_of_a_form_is_measured_and_then_several_share_a_gpu(training, tmp_path):
    devices = Devices(gpus(1, memory=8 * GIB))
    executor = ProcessExecutor(cores=8, limit=None, devices=devices)
    try:
        assert len(begun(executor, lambda: training(devices), tmp_path, most=2)) == 1
        (first,) = ended(executor)
        assert isinstance(first, Finished)
        assert 0.2 * GIB < first.gpu_memory < 3 * GIB, "of a made-up GPU it is what the process has held"
        assert len(begun(executor, lambda: training(devices), tmp_path, most=2)) == 2
        assert all(isinstance(message, Finished) for message in ended(executor))
    finally:
        executor.kill_all()


def test_a_process_that_is_lost_gives_its_gpu_back(training, tmp_path):
    devices = Devices(gpus(1))
    executor = ProcessExecutor(cores=8, limit=None, devices=devices, per_gpu=1)
    try:
        begun(executor, lambda: training(devices, "training.epochs=500"), tmp_path, most=1)
        assert not executor.has_room(1, NEED)
        assert executor.has_room(1), "a run on the processor needs none"
        executor.kill_all()
        assert executor.has_room(1, NEED)
    finally:
        executor.kill_all()


def test_what_needs_no_gpu_sees_none_and_a_gpu_that_is_gone_is_no_processor(training, tmp_path):
    devices = Devices(gpus(1))
    executor = ProcessExecutor(cores=8, limit=None, devices=devices, per_gpu=1)
    try:
        executor.start(training(devices), log=tmp_path / "log.txt", threads=1, time_limit=None)
        (refused,) = ended(executor)
        assert isinstance(refused, Failed)
        assert "training.device=gpu needs a GPU that TensorFlow opens" in refused.reason
        executor.start(InspectTask(compose_config([]).data), log=tmp_path / "log.txt", threads=1, time_limit=None)
        assert isinstance(ended(executor)[0], DatasetInspected)
    finally:
        executor.kill_all()


def test_a_sweep_uses_all_gpus(tmp_path, monkeypatch):
    there = json.dumps([{"name": "Made-up GPU", "memory": 8 * GIB, "capability": [8, 9]}] * 2)
    monkeypatch.setenv("CNNEXP_GPUS", there)
    found = made_up({"CNNEXP_GPUS": there})
    assert found is not None
    assert [gpu.token for gpu in found.gpus] == ["0", "1"]
    printed = sweep("training=smoke", "training.epochs=1", "seed=0,1,2", "sweep.per_gpu=1", folder=tmp_path)
    assert "and 2 GPUs, 1 on each" in printed
    (_, runs) = recorded(tmp_path)
    assert [run.params["used.device"] for run in runs] == ["Made-up GPU"] * 3
    files = tmp_path.glob("mlartifacts/**/environment.json")
    assert {json.loads(file.read_text())["cuda_visible_devices"] for file in files} == {"0", "1"}
    again = sweep("training=smoke", "training.epochs=1", "seed=0,1,2", folder=tmp_path)
    assert "3 runs were finished before" in again
