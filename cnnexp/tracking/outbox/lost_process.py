"""What is said of a recording process that is gone without a word, as where the kernel has killed it for its memory.

Only the delivery process is left then. It writes to the terminal, or the file, that the other one printed to, and notes
at the run what has happened, for the next command.
"""

import shlex
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from cnnexp.system.store_uri import StoreUri
from cnnexp.system.text import program
from cnnexp.tracking.outbox.delivery import Delivery
from cnnexp.tracking.tags import LOST, PARENT

GONE = "was killed, or crashed, without a word"
_FOR_MEMORY = (
    "Meanwhile the kernel has killed a process because memory ran out. For a new run training.accumulate=auto finds "
    "out which batches fit; or set a smaller training.batch_size."
)


def kills_for_memory(root: Path = Path("/")) -> int:
    """Return how many processes the kernel has killed for want of memory; 0 where it does not say."""
    with suppress(OSError, ValueError):
        lines = (line.split() for line in (root / "proc/vmstat").read_text(encoding="ascii").splitlines())
        return next((int(count) for name, count in lines if name == "oom_kill"), 0)
    return 0


def lost_sentences(*, for_memory: bool) -> str:
    """Return what has happened to a process that is gone, for whoever asks later."""
    return f"{GONE}. {_FOR_MEMORY}" if for_memory else f"{GONE}."


def report_lost(delivery: Delivery, *, for_memory: bool, write: Callable[[str], None]) -> None:
    """Note at a run, or a sweep, that its process is gone, and say so and how to resume it; not of runs of a sweep."""
    opening = delivery.opening
    if PARENT in opening.tags or delivery.progress.run_id is None:
        return
    sentences = lost_sentences(for_memory=for_memory)
    delivery.client.set_tag(delivery.run_id, LOST, sentences)
    store = shlex.quote(f"tracking.uri={StoreUri(opening.uri).masked}")
    write(
        f"\ncnnexp: the process of {opening.run_name}, {delivery.run_id[:6]}, {sentences}\n"
        "What it recorded is in the store. To go on from its saved state, if it has one:\n"
        f"resume    {program()} resume {delivery.run_id[:12]} {store}\n"
    )
