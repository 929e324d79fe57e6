"""The GPUs of this machine by what the system's drivers say, without starting one or importing TensorFlow."""

from dataclasses import dataclass
from pathlib import Path

CUDA_PACKAGE = "nvidia-cudnn-cu12"  # one of those without which TensorFlow opens no GPU


@dataclass(frozen=True, slots=True)
class Gpus:
    """What there is."""

    names: tuple[str, ...]  # of NVIDIA's models, one a device
    driver: str | None  # its version; None: none is loaded
    others: int  # devices of other makers that compute, which TensorFlow's wheels cannot use


def find_gpus(root: Path = Path("/")) -> Gpus:
    """Return the GPUs; `root` is where /proc and /sys are."""
    files = sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
    names = tuple(_field(_text(file), "Model") or "NVIDIA" for file in files)
    version = _text(root / "proc/driver/nvidia/version").partition("Kernel Module")[2].split()
    numbers = [word for word in version if word[:1].isdigit()]
    others = len([path for path in (root / "sys/class/kfd/kfd/topology/nodes").glob("*/gpu_id") if _text(path) != "0"])
    return Gpus(names, numbers[0] if numbers else None, others)


def _field(text: str, name: str) -> str:
    lines = (line.partition(":") for line in text.splitlines())
    return next((value.strip() for key, _, value in lines if key.strip() == name), "")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
