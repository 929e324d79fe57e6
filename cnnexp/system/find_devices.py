"""Finds the GPUs that TensorFlow opens, and why it opens none of those that are here.

What stands in the machine (`gpus`) and what TensorFlow opens of it are two questions. Only where there is a GPU is
TensorFlow asked: in this process where it is imported, else in another, because a process that has started CUDA cannot
be forked.
"""

import json
import os
import resource
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any

from cnnexp.system import gpus as hardware
from cnnexp.system import own_process, quiet
from cnnexp.system.devices import Device, Devices, Gpu
from cnnexp.system.text import plural

MADE_UP = "CNNEXP_GPUS"  # environment variable of tests: GPUs, as JSON, whose work the processor does
VISIBLE = "CUDA_VISIBLE_DEVICES"
CUDA_PACKAGE = "nvidia-cudnn-cu12"  # one of those without which TensorFlow opens no GPU
_PATIENCE = 120.0  # seconds for another process to import TensorFlow
_HIDDEN = ("", "-1", "none", "NoDevFiles")


@dataclass(frozen=True, slots=True)
class Opened:
    """What TensorFlow says of GPUs."""

    gpus: tuple[tuple[str, tuple[int, int] | None], ...]  # name and compute capability of each that it opens
    cuda: str | None  # the version that it is built with; None: it is built without
    cudnn: str | None = None
    messages: tuple[str, ...] = ()  # of its C++, about CUDA


def require_gpu(asked: str) -> None:
    """Refuse a `training.device` at once where there is no GPU for it, which is known without TensorFlow.

    Raises:
        ConfigError: there is none.

    """
    if asked not in ("auto", "cpu") and MADE_UP not in os.environ and not hardware.find_gpus().cards:
        Device.choose(asked, Devices())


@cache
def devices() -> Devices:
    """Return the devices of this process, asked once."""
    return made_up(os.environ) or find_devices(hardware.find_gpus(), os.environ, ask_tensorflow)


def made_up(environment: Mapping[str, str]) -> Devices | None:
    """Return the devices that a test has made up, as many as CUDA would show; None: it has not.

    They are a list of objects with the name, the memory and the capability of each.
    """
    if MADE_UP not in environment:
        return None
    made: list[dict[str, Any]] = json.loads(environment[MADE_UP])
    tokens = visible_tokens(environment, count=len(made))
    seen = [(token, made[int(token)]) for token in tokens if token.isdecimal() and int(token) < len(made)]
    return Devices(
        tuple(
            Gpu(one["name"], index, token, one.get("memory"), _pair(one.get("capability")), made_up=True)
            for index, (token, one) in enumerate(seen)
        )
    )


def _pair(value: Sequence[int] | None) -> tuple[int, int] | None:
    return None if value is None else (value[0], value[1])


def visible_tokens(environment: Mapping[str, str], *, count: int) -> list[str]:
    """Return how CUDA_VISIBLE_DEVICES names the devices that are visible: all of `count` where it is not set.

    CUDA sees those before the first that is none.
    """
    if VISIBLE not in environment:
        return [str(number) for number in range(count)]
    tokens: list[str] = []
    for token in (text.strip() for text in environment[VISIBLE].split(",")):
        if token in _HIDDEN or token.startswith("-"):
            break
        tokens.append(token)
    return tokens


def find_devices(present: hardware.Gpus, environment: Mapping[str, str], ask: Callable[[], Opened]) -> Devices:
    """Return the devices of a machine with these GPUs; `ask` says what TensorFlow opens.

    It is not asked where the answer is known: no GPU, none that this process may see, or no driver.
    """
    tokens = visible_tokens(environment, count=len(present.cards))
    if not present.cards or not tokens:
        return Devices(driver=present.driver)
    if present.driver is None:
        return Devices(
            problem=_not_used(present, "no NVIDIA driver is loaded", "Install one: nvidia-smi must list it.")
        )
    opened = ask()
    if not opened.gpus:
        reason, cure = why_none(opened, present, has_packages=_has_cuda_packages())
        return Devices(problem=_not_used(present, reason, cure), driver=present.driver, cuda=opened.cuda)
    return Devices(_matched(opened, present, tokens), driver=present.driver, cuda=opened.cuda, cudnn=opened.cudnn)


def why_none(opened: Opened, present: hardware.Gpus, *, has_packages: bool) -> tuple[str, str]:
    """Return why TensorFlow opens no GPU although a driver is loaded, and what to do."""
    pip = f"{sys.executable} -m pip install"
    if opened.cuda is None:
        return "this TensorFlow is built without CUDA", f"Install another: {pip} 'tensorflow[and-cuda]'"
    if not has_packages:
        return "CUDA's packages for TensorFlow are not installed", f"Install them: {pip} 'cnnexp[gpu]'"
    if not present.opened:
        return (
            "this process is given no device file such as /dev/nvidia0",
            "A container gets them by --gpus all, a job of a cluster by asking for a GPU.",
        )
    last = next((text for text in reversed(opened.messages) if text), None)
    if last is not None and "cuInit" in last:
        return f"the driver does not start ({last})", f"Its version must be able to run CUDA {opened.cuda}: nvidia-smi."
    said = "" if last is None else f" ({last})"
    return (
        f"TensorFlow opens none{said}",
        "See all that it says: TF_CPP_MAX_VLOG_LEVEL=3 python -c 'import tensorflow as tf; "
        "tf.config.list_physical_devices()'",
    )


def _not_used(present: hardware.Gpus, reason: str, cure: str) -> str:
    one = len(present.cards) == 1
    which = f"The {present.names[0]}" if one else f"{plural(len(present.cards), 'GPU')} ({', '.join(present.names)})"
    return f"{which} of this machine {'is' if one else 'are'} not used: {reason}. {cure}"


def _matched(opened: Opened, present: hardware.Gpus, tokens: Sequence[str]) -> tuple[Gpu, ...]:
    """Return the GPUs that TensorFlow opens with what the driver says of them.

    TensorFlow leaves some out, such as a small one beside a large one, and keeps the order: each is the next one of its
    name.
    """
    left = [(token, _card(token, present)) for token in tokens]
    found = []
    for index, (name, capability) in enumerate(opened.gpus):
        place = next((n for n, (_, card) in enumerate(left) if card is not None and card.name == name), 0)
        token, card = left[place] if left else (str(index), None)
        left = left[place + 1 :]
        known = card if card is not None and card.name == name else None
        memory = None if known is None else known.memory
        found.append(Gpu(name, index, token, memory, capability or (None if known is None else known.capability)))
    return tuple(found)


def _card(token: str, present: hardware.Gpus) -> hardware.Card | None:
    """Return the card that a number, or the beginning of a UUID, names."""
    if token.isdecimal():
        return present.cards[int(token)] if int(token) < len(present.cards) else None
    return next((card for card in present.cards if card.uuid.startswith(token)), None)


def _has_cuda_packages() -> bool:
    from importlib.metadata import PackageNotFoundError, version  # only a machine with a GPU needs it

    try:
        version(CUDA_PACKAGE)
    except PackageNotFoundError:
        return False
    return True


def ask_tensorflow() -> Opened:
    """Return what TensorFlow opens: asked in this process where it is imported, else in another."""
    if "tensorflow" in sys.modules:
        return opened_here()
    import subprocess

    command = own_process.command_of("cnnexp.system.find_devices")
    try:
        heard = own_process.variables(TF_CPP_MIN_LOG_LEVEL="1")  # what it says of GPUs, whatever the user wants to see
        done = subprocess.run(command, env=heard, capture_output=True, text=True, timeout=_PATIENCE, check=True)
        answer = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.SubprocessError, ValueError, IndexError) as error:
        return Opened((), cuda="?", messages=(f"a process that asks it failed: {error}",))
    return Opened(
        tuple((name, _pair(capability)) for name, capability in answer["gpus"]),
        answer["cuda"],
        answer["cudnn"],
        tuple(answer["messages"]),
    )


def peak_memory() -> int | None:
    """Return how many bytes of its first GPU TensorFlow has held at most since this was asked last; None: it has none.

    Of a GPU that is made up it is what the process has held. TensorFlow must have started.
    """
    found = devices().gpus
    if not found:
        return None
    if found[0].made_up:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    import tensorflow as tf

    with suppress(ValueError):  # the run computed on the processor
        peak = int(tf.config.experimental.get_memory_info("GPU:0")["peak"])
        tf.config.experimental.reset_memory_stats("GPU:0")
        return peak
    return None


def opened_here() -> Opened:
    """Return what TensorFlow opens in this process; it starts CUDA."""
    quiet.import_tensorflow()
    import tensorflow as tf

    built = tf.sysconfig.get_build_info()
    details = [tf.config.experimental.get_device_details(gpu) for gpu in tf.config.list_physical_devices("GPU")]
    return Opened(
        tuple((one.get("device_name", "GPU"), one.get("compute_capability")) for one in details),
        built.get("cuda_version") if built.get("is_cuda_build") else None,
        built.get("cudnn_version"),
        tuple(quiet.messages_about_gpus()),
    )


def _answer() -> None:
    """Print what TensorFlow opens, for the process that asks."""
    quiet.set_environment()
    opened = opened_here()
    print(json.dumps({name: getattr(opened, name) for name in Opened.__slots__}))


if __name__ == "__main__":
    _answer()
