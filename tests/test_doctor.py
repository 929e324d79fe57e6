"""What `cnnexp doctor` says of made-up machines, and of stores and folders that cannot be used."""

import pytest

from cnnexp.cli import doctor
from cnnexp.runs.checkpoint_folder import CheckpointFolder
from cnnexp.system.cgroup import available_memory, memory_limit
from cnnexp.system.find_devices import Opened
from cnnexp.system.gpus import find_gpus
from test_cgroup import written

GPU = "proc/driver/nvidia/gpus/0000:0{}:00.0/information"
DRIVER = {"proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu Feb 22\nGCC 12"}
NONE_OPENED = Opened((), "12.5.1")
ONE = {GPU.format(1): "Model: \t\t NVIDIA L4\nIRQ:   42"}


@pytest.fixture
def said(tmp_path, monkeypatch, capsys):
    """What doctor prints of a machine with these files, and its exit code."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)

    def of(files, *settings, smi="", opened=NONE_OPENED):
        code = doctor.run(settings, root=written(tmp_path / "root", files), smi=lambda: smi, ask=lambda: opened)
        return capsys.readouterr().out, code

    return of


@pytest.mark.parametrize(
    ("files", "names", "driver", "others"),
    [
        ({}, (), None, 0),
        (ONE, ("NVIDIA L4",), None, 0),
        ({**ONE, **DRIVER, GPU.format(2): "Model: NVIDIA A2"}, ("NVIDIA L4", "NVIDIA A2"), "550.54.14", 0),
        ({f"sys/class/kfd/kfd/topology/nodes/{node}/gpu_id": str(node * 7) for node in range(3)}, (), None, 2),
    ],
)
def test_the_gpus_of_a_machine(files, names, driver, others, tmp_path):
    found = find_gpus(written(tmp_path, files), smi=str)
    assert (found.names, found.driver, found.others) == (names, driver, others)


def test_memory_is_limited_by_the_tightest_group(tmp_path):
    files = {
        "proc/self/cgroup": "0::/a",
        "sys/fs/cgroup/memory.max": "max",
        "sys/fs/cgroup/a/memory.max": "3000",
        "proc/meminfo": "MemTotal: 9 kB\nMemAvailable:    5 kB",
    }
    root = written(tmp_path, files)
    assert (memory_limit(root), available_memory(root)) == (3000, 5120)
    assert memory_limit(written(tmp_path / "v1", {"proc/self/cgroup": "3:memory:/"})) is None


def test_nothing_is_in_the_way_on_a_plain_machine(said):
    printed, code = said({})
    assert code == 0, printed
    for text in ("no NVIDIA GPU: runs train on the processor", "the first run creates it", "tensorflow"):
        assert text in printed


def test_a_gpu_without_a_driver_is_in_the_way(said):
    printed, code = said(ONE)
    assert "NVIDIA L4; driver not loaded" in printed
    assert code == 1


def test_what_each_gpu_would_do_is_said(said):
    smi = "GPU-1, NVIDIA L4, 23034, 8.9, 550.54.14\nGPU-2, Tesla T4, 15360, 7.5, 550.54.14"
    opened = Opened((("NVIDIA L4", (8, 9)), ("Tesla T4", (7, 5))), "12.5.1", "9")
    printed, code = said({}, smi=smi, opened=opened)
    assert code == 0, printed
    for text in (
        "NVIDIA L4, Tesla T4; driver 550.54.14, TensorFlow for CUDA 12.5.1 and cuDNN 9",
        "gpu:0     NVIDIA L4, 24.2 GB; there training.precision=auto is bfloat16 for large networks",
        "gpu:1     Tesla T4, 16.1 GB; there training.precision=auto is float32",
        "with training.device=auto it trains on the NVIDIA L4",
    ):
        assert text in printed
    printed, code = said({}, "training.device=gpu:2", smi=smi, opened=opened)
    assert "training.device=gpu:2 needs a GPU that TensorFlow opens" in printed
    assert code == 1


def test_a_gpu_that_tensorflow_does_not_open_is_in_the_way(said):
    printed, code = said({**ONE, **DRIVER})
    assert "The NVIDIA L4 of this machine is not used: " in printed
    assert code == 1


def test_devices_that_are_hidden_are_named(said, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    printed, code = said({**ONE, **DRIVER})
    assert "CUDA_VISIBLE_DEVICES=-1" in printed
    assert code == 1


def test_a_server_that_does_not_answer_is_in_the_way(said):
    printed, code = said({}, "tracking.uri=http://127.0.0.1:1")
    assert "did not" in printed
    assert code == 1


def test_stopped_runs_are_counted(said, tmp_path):
    from cnnexp.compose import compose_config

    folder = CheckpointFolder.claim(compose_config([]), "key")
    (folder.path / "rest.state").write_bytes(b"1")
    folder.release()
    printed, _ = said({})
    assert "states of 1 stopped run" in printed
