"""A process that has imported everything a run needs, from which those that do the runs are forked.

TensorFlow is imported there but never started, so a fork begins as a fresh process does: with its own threads, its own
random state. A run that dies takes nothing with it but itself.
"""

import multiprocessing
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerContext

# Libraries that would start threads when they are imported; a process must be forked while it has one.
_ONE_THREAD = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}


def start() -> ForkServerContext:
    """Start the warm process, or find it running, without waiting for its imports."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["cnnexp.sweeps.executors.preload"])
    resource_tracker.ensure_running()  # here, because it lets interrupts through when it has started
    with _environment(_ONE_THREAD), _without_interrupts():
        forkserver.ensure_running()
    return context


@contextmanager
def _environment(values: dict[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextmanager
def _without_interrupts() -> Iterator[None]:
    """Ctrl-C reaches every process of the terminal, but how runs end is for the sweep to say: none of them hears it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
