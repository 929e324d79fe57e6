"""``cnnexp doctor``: what runs would use here, and what is in their way.

TensorFlow is asked in a process of its own, and only where there is a GPU.
"""

import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from rich.text import Text

from cnnexp.compose import compose_config
from cnnexp.config import ExperimentConfig
from cnnexp.datasets.cache.folder import cache_folder, entries
from cnnexp.errors import CnnexpError, ConfigError
from cnnexp.report.console import open_console
from cnnexp.runs.checkpoint_folder import StoppedRuns
from cnnexp.runs.resolved_settings import BFLOAT16_FLAGS, has_bfloat16
from cnnexp.system import cgroup, gpus, resources
from cnnexp.system.devices import Device, Devices, Gpu
from cnnexp.system.files import at_home, is_there
from cnnexp.system.find_devices import VISIBLE, Opened, ask_tensorflow, find_devices, made_up
from cnnexp.system.store_uri import StoreUri
from cnnexp.system.text import file_size, plural, printable
from cnnexp.tracking.store.connection import absolute_uri, reach

LITTLE_ROOM = 2 * 10**9  # free bytes below which a run may fail
Row = tuple[str, str, bool]  # label, text, whether something is in the way of a run


def run(
    settings: Sequence[str],
    *,
    root: Path = Path("/"),
    smi: Callable[[], str] = gpus.query_smi,
    ask: Callable[[], Opened] = ask_tensorflow,
) -> int:
    """Print what runs with these settings would use; return 1 where something is in their way, else 0.

    `root` is where /proc, /sys and /dev are, `smi` what nvidia-smi prints there, and `ask` what TensorFlow opens.
    """
    present = gpus.find_gpus(root, smi)
    there = made_up(os.environ) or find_devices(present, os.environ, ask)
    rows = list(_rows(compose_config(settings), root, present, there))
    console = open_console()
    for label, text, wrong in rows:
        style = "attention" if wrong else ""
        console.print(Text.assemble((f"{label:<10}", "label"), (printable(text), style)), soft_wrap=True)
    return int(any(wrong for *_, wrong in rows))


def _rows(config: ExperimentConfig, root: Path, present: gpus.Gpus, there: Devices) -> Iterator[Row]:
    yield from _processor(root)
    yield from _memory(root)
    yield from _devices(present, there)
    yield from _use(config, there)
    yield "versions", ", ".join(f"{name} {number}" for name, number in resources.versions().items()), False
    yield from _store(config)
    yield from _cache(config)
    yield from _outbox(config)


def _processor(root: Path) -> Iterator[Row]:
    quota = cgroup.cpu_quota(root)
    limited = "" if quota is None else f"; the container's quota is {quota:g}"
    yield (
        "processor",
        f"{resources.processor_name()}: runs use up to {plural(resources.cores(), 'core')}{limited}",
        False,
    )
    native = [flag for flag in BFLOAT16_FLAGS if flag in resources.processor_flags()]
    yield "", f"there training.precision=auto is {_auto_precision(', '.join(native))}", False


def _memory(root: Path) -> Iterator[Row]:
    limit, free = cgroup.memory_limit(root), cgroup.available_memory(root)
    if free is not None:
        within = "" if limit is None else f"; the container may use {file_size(limit)}"
        yield "memory", f"{file_size(free)} available{within}", False


def _auto_precision(native: str) -> str:
    return f"bfloat16 for large networks ({native})" if native else "float32: it has no native bfloat16"


def _devices(present: gpus.Gpus, there: Devices) -> Iterator[Row]:
    """Say what stands here, and of each GPU that TensorFlow opens what it would do."""
    if not present.cards and not there.gpus:
        others = f"{plural(present.others, 'GPU')} that TensorFlow's packages cannot use; " if present.others else ""
        yield "devices", f"{others}no NVIDIA GPU: runs train on the processor", False
        return
    driver = f"{', '.join(present.names)}; driver {there.driver or 'not loaded'}"
    built = "" if there.cuda is None else f", TensorFlow for CUDA {there.cuda}"
    cudnn = "" if there.cudnn is None else f" and cuDNN {there.cudnn}"
    yield "devices", f"{driver if present.cards else 'made up by a test'}{built}{cudnn}", False
    for number, gpu in enumerate(there.gpus):
        yield f"gpu:{number}", _abilities(gpu), False
    if there.problem is not None:
        yield "", there.problem, True
    hidden = os.environ.get(VISIBLE)
    if hidden is not None:
        yield "", f"{VISIBLE}={hidden} leaves runs {plural(len(there.gpus), 'GPU')}", not there.gpus


def _abilities(gpu: Gpu) -> str:
    memory = "" if gpu.memory is None else f", {file_size(gpu.memory)}"
    known = "unknown" if gpu.capability is None else f"{gpu.capability[0]}.{gpu.capability[1]}"
    native = f"compute capability {known}" if has_bfloat16(Device((gpu,))) else ""
    return f"{gpu.name}{memory}; there training.precision=auto is {_auto_precision(native)}"


def _use(config: ExperimentConfig, there: Devices) -> Iterator[Row]:
    """Say what a run with these settings would compute on."""
    asked = config.training.device
    try:
        device = Device.choose(asked, there, mirrored=config.training.strategy == "mirrored")
    except ConfigError as error:
        yield "run", str(error), True
        return
    what = f"the {device.name}" if device.gpus else "the processor"
    yield "run", f"with training.device={asked} it trains on {what}", False
    if len(there.gpus) > len(device.gpus) > 0 and ":" not in asked:
        yield "", f"a sweep trains on all {len(there.gpus)} of them, a run on each", False


def _store(config: ExperimentConfig) -> Iterator[Row]:
    uri = absolute_uri(config.tracking.uri)
    store = StoreUri(uri)
    if store.database is not None and not is_there(store.database):
        room = _room(store.database.parent)
        yield "store", f"{store.masked}: the first run creates it; {room[0]}", room[1]
        return
    try:
        reach(uri)
    except CnnexpError as error:
        yield "store", str(error), True
        return
    where = ("it answers", False) if store.database is None else _room(store.database.parent)
    yield "store", f"{store.masked}: {where[0]}", where[1]


def _cache(config: ExperimentConfig) -> Iterator[Row]:
    folder = cache_folder(config.data.cache)
    room, little = _room(folder)
    held = file_size(sum(entry.size for entry in entries(folder)))
    yield "cache", f"{folder}: {held} of decoded data; {room}", little
    stopped = StoppedRuns.of(folder)
    if stopped.folders:
        count = plural(len(stopped.folders), "stopped run")
        yield "", f"states of {count}, {file_size(stopped.size)}: cnnexp resume latest goes on with the newest", False


def _outbox(config: ExperimentConfig) -> Iterator[Row]:
    outbox = at_home(config.tracking.outbox)
    kept = [path.parent for path in outbox.glob("[!.]*/run.json")]
    if kept:
        yield "outbox", f"{plural(len(kept), 'record')} in {outbox} not delivered yet: cnnexp send {kept[0]}", False


def _room(folder: Path) -> tuple[str, bool]:
    """Return how much room there is where a folder is or will be, and whether that is little or cannot be used."""
    there = next(path for path in (folder, *folder.parents) if is_there(path))
    free = shutil.disk_usage(there).free
    if not os.access(there, os.W_OK):
        return f"{there} cannot be written to", True
    return f"{file_size(free)} free", free < LITTLE_ROOM
