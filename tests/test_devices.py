"""What runs compute on, by made-up machines: their files, what nvidia-smi prints there, and what TensorFlow opens."""

import dataclasses
import json
import os
import subprocess

import pytest

from cnnexp.comparison import compare
from cnnexp.compose import compose_config
from cnnexp.errors import ConfigError
from cnnexp.records import DatasetInfo
from cnnexp.runs.origin import changes
from cnnexp.runs.resolved_settings import resolve_execution
from cnnexp.sweeps.run_hash import hash_run, resolve
from cnnexp.system import own_process
from cnnexp.system.devices import Device, Devices, Gpu
from cnnexp.system.find_devices import Opened, find_devices, made_up, visible_tokens, why_none
from cnnexp.system.gpus import Card, Gpus, find_gpus
from support.sweep_processes import recorded, start, sweep
from test_cgroup import written
from test_comparison_verdicts import summary

SMI = (
    "GPU-aa11, NVIDIA A100-SXM4-40GB, 40960, 8.0, 550.54.14\n"
    "GPU-bb22, NVIDIA T400, 2048, 7.5, 550.54.14\n"
    "GPU-cc33, NVIDIA A100-SXM4-40GB, 40960, 8.0, 550.54.14\n"
)
A100, OLD = Gpu("A100", 0, "0", 40 * 2**30, (8, 0)), Gpu("V100", 0, "0", 16 * 2**30, (7, 0))
THREE = find_gpus(smi=lambda: SMI)
OPENED = Opened((("NVIDIA A100-SXM4-40GB", (8, 0)), ("NVIDIA A100-SXM4-40GB", (8, 0))), "12.5.1", "9")
NONE = Devices()
INFO = DatasetInfo("d1", 64, 64, (500, 500))


def never():
    raise AssertionError("TensorFlow need not be asked")


# --- what stands in the machine


def test_nvidia_smi_lists_what_this_process_is_given():
    assert (THREE.driver, len(THREE.cards), THREE.opened) == ("550.54.14", 3, True)
    assert THREE.cards[1] == Card("NVIDIA T400", "GPU-bb22", 2 * 2**30, (7, 5))
    odd = find_gpus(smi=lambda: "GPU-1, Some GPU, [N/A], [N/A], 550.1\nNVIDIA-SMI has failed\n")
    assert odd.cards == (Card("Some GPU", "GPU-1", None, None),)


def test_a_gpu_without_a_driver_is_seen_on_the_bus(tmp_path):
    bus = "sys/bus/pci/devices/0000:0{}:00.0/{}"
    devices = {
        1: {"vendor": "0x10de", "class": "0x030000", "device": "0x2684"},
        2: {"vendor": "0x10de", "class": "0x040300", "device": "0x22ba"},  # its sound
        3: {"vendor": "0x1002", "class": "0x030000", "device": "0x164e"},
    }
    files = {bus.format(n, name): text for n, one in devices.items() for name, text in one.items()}
    found = find_gpus(written(tmp_path, files), smi=str)
    assert (found.names, found.driver, found.opened) == (("NVIDIA device 0x2684",), None, False)
    problem = find_devices(found, {}, never).problem
    assert problem is not None
    assert "no NVIDIA driver is loaded. Install one" in problem


# --- what TensorFlow opens of it


@pytest.mark.parametrize(
    ("environment", "tokens"),
    [
        ({}, ["0", "1", "2"]),
        ({"CUDA_VISIBLE_DEVICES": "2, 0"}, ["2", "0"]),
        ({"CUDA_VISIBLE_DEVICES": "1,-1,0"}, ["1"]),
        ({"CUDA_VISIBLE_DEVICES": ""}, []),
        ({"CUDA_VISIBLE_DEVICES": "GPU-cc"}, ["GPU-cc"]),
    ],
)
def test_devices_are_visible_as_cuda_reads_its_variable(environment, tokens):
    assert visible_tokens(environment, count=3) == tokens


def test_tensorflow_is_not_asked_where_the_answer_is_known():
    assert find_devices(Gpus((), None, 0), {}, never) == Devices()
    hidden = find_devices(THREE, {"CUDA_VISIBLE_DEVICES": "-1"}, never)
    assert (hidden.gpus, hidden.problem) == ((), None), "the user has hidden them, which is no problem"


def test_what_tensorflow_opens_is_found_among_what_stands_here():
    found = find_devices(THREE, {}, lambda: OPENED)
    assert [(gpu.index, gpu.token, gpu.memory) for gpu in found.gpus] == [(0, "0", 40 * 2**30), (1, "2", 40 * 2**30)]
    assert (found.driver, found.cuda, found.cudnn, found.problem) == ("550.54.14", "12.5.1", "9", None)
    one = dataclasses.replace(OPENED, gpus=OPENED.gpus[:1])
    by_uuid = find_devices(THREE, {"CUDA_VISIBLE_DEVICES": "GPU-cc33,GPU-aa11"}, lambda: one)
    assert [gpu.token for gpu in by_uuid.gpus] == ["GPU-cc33"]
    unknown = find_devices(THREE, {}, lambda: Opened((("Another name", None),), "12.5.1"))
    assert [(gpu.token, gpu.memory) for gpu in unknown.gpus] == [("0", None)]


@pytest.mark.parametrize(
    ("opened", "packages", "files", "said"),
    [
        (Opened((), None), True, True, "built without CUDA. Install another"),
        (Opened((), "12.5.1"), False, True, "packages for TensorFlow are not installed. Install them: "),
        (Opened((), "12.5.1"), True, False, "no device file such as /dev/nvidia0. A container gets them by --gpus all"),
        (
            Opened((), "12.5.1", messages=("failed call to cuInit: CUDA_ERROR_SYSTEM_DRIVER_MISMATCH",)),
            True,
            True,
            "does not start (failed call to cuInit: CUDA_ERROR_SYSTEM_DRIVER_MISMATCH). Its version must be able to",
        ),
        (Opened((), "12.5.1", messages=("Cannot dlopen some GPU libraries.",)), True, True, "none (Cannot dlopen some"),
    ],
)
def test_why_no_gpu_is_opened_and_what_to_do(opened, packages, files, said):
    present = dataclasses.replace(THREE, opened=files)
    assert said in ". ".join(why_none(opened, present, has_packages=packages))


def test_this_tensorflow_says_in_another_process_what_it_opens():
    command = own_process.command_of("cnnexp.system.find_devices")
    heard = own_process.variables(TF_CPP_MIN_LOG_LEVEL="1")
    done = subprocess.run(command, env=heard, capture_output=True, text=True, check=True, timeout=300)
    answer = json.loads(done.stdout)
    assert answer["cuda"] is None or answer["cuda"][0].isdigit()
    if not answer["gpus"] and answer["cuda"]:
        assert any("cuInit" in text or "GPU" in text for text in answer["messages"]), answer


# --- what a run computes on


def test_a_run_takes_the_gpu_that_it_names():
    two = Devices((A100, dataclasses.replace(OLD, index=1, token="1")))
    chosen = {asked: Device.choose(asked, two).name for asked in ("auto", "cpu", "gpu", "gpu:1")}
    assert chosen == {"auto": "A100", "cpu": "cpu", "gpu": "A100", "gpu:1": "V100"}
    with pytest.raises(ConfigError, match=r"gpu:2 needs a GPU that TensorFlow opens; there are gpu:0 \(A100\), gpu:1"):
        Device.choose("gpu:2", two)
    with pytest.raises(ConfigError, match=r"there is none in this machine.* training\.device=cpu"):
        Device.choose("gpu", Devices())


def test_a_gpu_that_is_not_used_is_noted_unless_the_processor_was_asked_for():
    there = Devices(problem="The GPU of this machine is not used: no driver.")
    assert Device.choose("auto", there).note == there.problem
    assert Device.choose("cpu", there).note is None
    with pytest.raises(ConfigError, match="not used: no driver"):
        Device.choose("gpu", there)


@pytest.mark.parametrize("device", ["tpu", "gpu:", "gpu:one", "cuda:0", "GPU"])
def test_a_device_that_is_none_is_refused(device):
    with pytest.raises(ConfigError, match=r"training\.device must be auto, cpu, gpu, or a GPU by its number"):
        compose_config([f"training.device='{device}'"])


def test_precision_and_threads_follow_the_device():
    def used(device, *overrides, side=64):
        config = compose_config(["training.batch_size=128", *overrides])
        return resolve_execution(config, images=1000, height=side, width=side, cores=8, device=Device((device,)))

    assert used(A100) == (1, "bfloat16")
    assert used(A100, side=8) == (1, "float32")
    assert used(OLD) == (1, "float32")
    assert used(A100, "training.precision=tf32", "training.threads=3") == (3, "tf32")
    for none, where in ((Device((OLD,)), "the V100"), (Device(), "the processor")):
        with pytest.raises(ConfigError, match=f"tf32 needs a GPU of compute capability 8.0 .* {where}"):
            resolve_execution(
                compose_config(["training.precision=tf32"]), images=9, height=8, width=8, cores=1, device=none
            )


def test_the_hash_of_a_run_has_its_device_only_where_that_is_not_the_processor():
    def hashed(*overrides, devices=NONE):
        config = resolve(compose_config([*overrides, "training.precision=float32"]), INFO, cores=1, devices=devices)
        return config.training.device, hash_run(config, INFO)

    two = Devices((A100, dataclasses.replace(A100, index=1, token="1")))
    _, before = hashed()
    assert hashed("training.device=cpu") == hashed("training.device=cpu", devices=two) == ("cpu", before)
    on_gpu = hashed(devices=two)
    assert on_gpu == hashed("training.device=gpu", devices=two) == hashed("training.device=gpu:1", devices=two)
    assert on_gpu[0] == "gpu"
    assert on_gpu[1] != before
    assert hashed("training.deterministic=false")[1] != before


def test_a_comparison_of_runs_on_two_devices_says_so():
    def warnings(*used):
        runs = [
            summary(0.9, model=model, **({} if one is None else {"used__device": one}))
            for model, one in zip("ab", used, strict=True)
        ]
        return " ".join(compare(runs, metric_name="test/accuracy", by=["model"]).warnings)

    assert "different device (NVIDIA L4, cpu)" in warnings("cpu", "NVIDIA L4")
    assert "different device (NVIDIA L4, cpu)" in warnings(None, "NVIDIA L4"), "recorded before there were devices"
    assert "device" not in warnings("cpu", "cpu")
    assert "device" not in warnings(None, "cpu")


def test_a_run_goes_on_with_its_state_on_the_same_device_alone():
    on_processor = {"data": "a", "keras": "3"}
    on_gpu = {**on_processor, "device": "NVIDIA L4", "driver": "550"}
    assert changes(on_processor, on_gpu).fatal == ("device NVIDIA L4 instead of the processor",)
    assert changes(on_gpu, on_processor).fatal == ("device the processor instead of NVIDIA L4",)
    other = changes(on_gpu, {**on_gpu, "driver": "560"})
    assert (other.fatal, other.others) == ((), ("driver 560 instead of 550",))
    assert changes(on_processor, {**on_processor, "deterministic": "false"}).fatal == (
        "deterministic false instead of true",
    )


# --- processes; a made-up GPU's work is done by the processor


def test_a_gpu_that_is_not_there_is_refused_before_anything_starts(tmp_path):
    if find_gpus().cards:
        pytest.skip("there is one")
    process = start("training.device=gpu", folder=tmp_path, multirun=False)
    printed, _ = process.communicate(timeout=300)
    assert (process.returncode, printed.count("\n")) == (2, 1), printed
    assert "training.device=gpu needs a GPU that TensorFlow opens; there is none in this machine" in printed
    assert not list(tmp_path.iterdir())


def test_made_up_devices_are_visible_as_cuda_would_show_them():
    names = json.dumps([{"name": "a", "memory": 8, "capability": [8, 0]}, {"name": "b"}])
    found = made_up({"CNNEXP_GPUS": names, "CUDA_VISIBLE_DEVICES": "1,0"})
    assert found is not None
    assert [(gpu.name, gpu.index, gpu.token, gpu.capability) for gpu in found.gpus] == [
        ("b", 0, "1", None),
        ("a", 1, "0", (8, 0)),
    ]
    assert made_up({}) is None


def test_a_run_records_its_device(tmp_path, monkeypatch):
    monkeypatch.setenv("CNNEXP_GPUS", json.dumps([{"name": "Made-up GPU", "memory": 2**33, "capability": [8, 9]}]))
    process = start("training=smoke", "training.precision=tf32", "training.epochs=1", folder=tmp_path, multirun=False)
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0, printed
    assert "Made-up GPU, 1 thread, tf32, seed 0" in printed
    _, (run,) = recorded(tmp_path)
    assert (run.params["used.device"], run.params["used.precision"]) == ("Made-up GPU", "tf32")
    (file,) = tmp_path.glob("mlartifacts/**/environment.json")
    environment = json.loads(file.read_text())
    assert environment["gpus"] == [{"name": "Made-up GPU", "memory": 2**33, "capability": [8, 9]}]
    assert (environment["device"], environment["tf32"], environment["made_up"]) == ("Made-up GPU", True, True)


@pytest.fixture
def smi(tmp_path, monkeypatch):
    """A machine whose nvidia-smi lists a GPU that TensorFlow cannot open."""
    if find_gpus().cards:
        pytest.skip("there is one")
    program = tmp_path / "bin" / "nvidia-smi"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\necho 'GPU-1, NVIDIA L4, 23034, 8.9, 550.54.14'\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")


@pytest.mark.usefixtures("smi")
def test_a_run_says_that_a_gpu_is_not_used_and_why(tmp_path):
    process = start("training=smoke", "training.epochs=1", folder=tmp_path, multirun=False)
    printed, _ = process.communicate(timeout=300)
    assert process.returncode == 0, printed
    assert "note The NVIDIA L4 of this machine is not used: " in " ".join(printed.split())
    _, (run,) = recorded(tmp_path)
    assert run.params["used.device"] == "cpu"
    assert "The NVIDIA L4 of this machine is not used: " in run.tags["mlflow.note.content"].replace("\\", "")


@pytest.mark.slow
@pytest.mark.usefixtures("smi")
def test_a_sweep_says_it_once_and_nobody_is_told_who_wants_the_processor(tmp_path):
    words = ["training=smoke", "training.epochs=1", "seed=0,1"]
    assert sweep(*words, folder=tmp_path).count("of this machine is not used") == 1
    assert "not used" not in sweep(*words, "training.device=cpu", folder=tmp_path)
    refused = sweep(*words, "training.device=gpu", folder=tmp_path, code=2)
    assert "training.device=gpu needs a GPU that TensorFlow opens; The NVIDIA L4 of this machine is not used" in refused
