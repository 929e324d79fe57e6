"""``cnnexp doctor``: what runs would use here, and what is in their way; TensorFlow is not imported."""

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.text import Text

from cnnexp.compose import compose_config
from cnnexp.config import ExperimentConfig
from cnnexp.datasets.cache.folder import cache_folder, entries
from cnnexp.errors import CnnexpError
from cnnexp.report.console import open_console
from cnnexp.runs.checkpoint_folder import StoppedRuns
from cnnexp.runs.resolved_settings import BFLOAT16_FLAGS
from cnnexp.system import cgroup, gpus, resources
from cnnexp.system.files import at_home
from cnnexp.system.store_uri import StoreUri
from cnnexp.system.text import file_size, plural, printable
from cnnexp.tracking.store.connection import absolute_uri, reach

LITTLE_ROOM = 2 * 10**9  # free bytes below which a run may fail
Row = tuple[str, str, bool]  # label, text, whether something is in the way of a run


def run(settings: Sequence[str], *, root: Path = Path("/")) -> int:
    """Print what runs with these settings would use; return 1 where something is in their way, else 0.

    `root` is where /proc and /sys are.
    """
    rows = list(_rows(compose_config(settings), root))
    console = open_console()
    for label, text, wrong in rows:
        style = "attention" if wrong else ""
        console.print(Text.assemble((f"{label:<10}", "label"), (printable(text), style)), soft_wrap=True)
    return int(any(wrong for *_, wrong in rows))


def _rows(config: ExperimentConfig, root: Path) -> Iterator[Row]:
    yield from _processor(root)
    yield from _memory(root)
    yield from _devices(gpus.find_gpus(root))
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
    how = f"bfloat16 for large networks ({', '.join(native)})" if native else "float32: it has no native bfloat16"
    yield "precision", f"training.precision=auto is {how}", False


def _memory(root: Path) -> Iterator[Row]:
    limit, free = cgroup.memory_limit(root), cgroup.available_memory(root)
    if free is not None:
        within = "" if limit is None else f"; the container may use {file_size(limit)}"
        yield "memory", f"{file_size(free)} available{within}", False


def _devices(found: gpus.Gpus) -> Iterator[Row]:
    if not found.names:
        others = f"{plural(found.others, 'GPU')} that TensorFlow's packages cannot use; " if found.others else ""
        yield "devices", f"{others}no NVIDIA GPU: runs train on the processor", False
        return
    names = ", ".join(found.names)
    yield "devices", f"{names}; driver {found.driver or 'not loaded'}", found.driver is None
    try:
        version(gpus.CUDA_PACKAGE)
    except PackageNotFoundError:
        text = (
            f"TensorFlow opens no GPU without CUDA's packages: {sys.executable} -m pip install 'tensorflow[and-cuda]'"
        )
        yield "", text, True
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    if hidden is not None:
        yield "", f"CUDA_VISIBLE_DEVICES={hidden} leaves runs these alone", hidden in ("", "-1")


def _store(config: ExperimentConfig) -> Iterator[Row]:
    uri = absolute_uri(config.tracking.uri)
    store = StoreUri(uri)
    if store.database is not None and not store.database.exists():
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
    there = next(path for path in (folder, *folder.parents) if path.exists())
    free = shutil.disk_usage(there).free
    if not os.access(there, os.W_OK):
        return f"{there} cannot be written to", True
    return f"{file_size(free)} free", free < LITTLE_ROOM
