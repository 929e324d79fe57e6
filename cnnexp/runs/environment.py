"""What a run is computed with, as ``environment.json`` records it."""

import os
import platform
from typing import Any

from cnnexp.system import resources
from cnnexp.system.devices import Device
from cnnexp.system.find_devices import VISIBLE, devices


def environment(*, threads: int, precision: str, device: Device, deterministic: bool) -> dict[str, Any]:
    """Return the contents of ``environment.json``: what a run was computed with."""
    return {
        "versions": resources.versions(),
        "platform": platform.platform(),
        "processor": resources.processor_name(),
        "cores": resources.cores(),
        "threads": threads,
        "precision": precision,
        "onednn": os.environ.get("TF_ENABLE_ONEDNN_OPTS", "unset"),
        "deterministic": deterministic,
        "device": device.name,
        **({"machines": device.machines} if device.machines > 1 else {}),
        **(_gpus(device, tf32=precision == "tf32") if device.gpus else {}),
    }


def _gpus(device: Device, *, tf32: bool) -> dict[str, Any]:
    """Return what the GPUs of a run are, and what drives them."""
    found = devices()
    return {
        "gpus": [{"name": gpu.name, "memory": gpu.memory, "capability": gpu.capability} for gpu in device.gpus],
        "made_up": any(gpu.made_up for gpu in device.gpus),
        "tf32": tf32,
        "driver": found.driver,
        "cuda": found.cuda,
        "cudnn": found.cudnn,
        VISIBLE.lower(): os.environ.get(VISIBLE, "unset"),
    }
