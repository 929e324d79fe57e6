"""The GPUs that stand in this machine by what the system and its driver say, without TensorFlow and without CUDA."""

import csv
import re
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_PATIENCE = 20.0  # seconds for nvidia-smi, which has to wake sleeping devices
_NVIDIA, _DISPLAY = "0x10de", "0x03"  # vendor and first byte of the class of a graphics device on the PCI bus
_FIELDS = "uuid,name,memory.total,compute_cap,driver_version"


@dataclass(frozen=True, slots=True)
class Card:
    """One NVIDIA GPU."""

    name: str  # of its model
    uuid: str = ""
    memory: int | None = None  # bytes; None: unknown
    capability: tuple[int, int] | None = None  # CUDA's compute capability; None: unknown


@dataclass(frozen=True, slots=True)
class Gpus:
    """What there is."""

    cards: tuple[Card, ...]  # in the order of the PCI bus
    driver: str | None  # its version; None: none is loaded
    others: int  # devices of other makers that compute, which TensorFlow's wheels cannot use
    opened: bool = True  # whether there are device files, by which a process reaches the GPUs

    @property
    def names(self) -> tuple[str, ...]:
        """The model of each NVIDIA GPU."""
        return tuple(card.name for card in self.cards)


def query_smi() -> str:
    """Return what nvidia-smi says of each GPU that this process is given; empty where there is none or no such tool."""
    program = shutil.which("nvidia-smi") or shutil.which("nvidia-smi", path="/usr/lib/wsl/lib")
    if program is None:
        return ""
    import subprocess  # only a machine with a GPU needs it

    command = [program, f"--query-gpu={_FIELDS}", "--format=csv,noheader,nounits"]
    with suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
        return done.stdout if done.returncode == 0 else ""
    return ""


def find_gpus(root: Path = Path("/"), smi: Callable[[], str] = query_smi) -> Gpus:
    """Return the GPUs; `root` is where /proc, /sys and /dev are, and `smi` what nvidia-smi prints there."""
    files = sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))
    version = _text(root / "proc/driver/nvidia/version").partition("Kernel Module")[2].split()
    driver = next((word for word in version if word[:1].isdigit()), None)
    cards = tuple(Card(_field(_text(file), "Model") or "NVIDIA", _field(_text(file), "GPU UUID")) for file in files)
    given, of_smi = _given(smi())
    if not cards and not given:
        cards = _on_the_bus(root)
    opened = bool(given) or any((root / "dev").glob("nvidia[0-9]*"))
    others = len([path for path in (root / "sys/class/kfd/kfd/topology/nodes").glob("*/gpu_id") if _text(path) != "0"])
    return Gpus(given or cards, driver or of_smi, others, opened)


def _given(printed: str) -> tuple[tuple[Card, ...], str | None]:
    """Return the GPUs that nvidia-smi lists, and the version of the driver."""
    rows = [[cell.strip() for cell in row] for row in csv.reader(printed.splitlines()) if len(row) == 5]
    cards = tuple(Card(name, uuid, _mebibytes(memory), _capability(by)) for uuid, name, memory, by, _ in rows)
    return cards, rows[0][4] if rows else None


def _on_the_bus(root: Path) -> tuple[Card, ...]:
    """Return NVIDIA's graphics devices on the PCI bus, which need no driver to be seen."""
    devices = (root / "sys/bus/pci/devices").glob("*")
    found = [one for one in devices if _text(one / "vendor") == _NVIDIA and _text(one / "class").startswith(_DISPLAY)]
    return tuple(Card(f"NVIDIA device {_text(one / 'device')}") for one in sorted(found))


def _mebibytes(text: str) -> int | None:
    return int(text) * 2**20 if text.isdecimal() else None


def _capability(text: str) -> tuple[int, int] | None:
    found = re.fullmatch(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def _field(text: str, name: str) -> str:
    lines = (line.partition(":") for line in text.splitlines())
    return next((value.strip() for key, _, value in lines if key.strip() == name), "")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
