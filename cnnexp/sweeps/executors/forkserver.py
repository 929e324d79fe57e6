"""The fork server: a process that has imported everything a run needs, and from which workers are forked.

TensorFlow is imported there but never started, so a fork begins like a fresh process: with its own threads and its own
random state. A worker that dies takes nothing else down.

Everything that steers Python's `multiprocessing` is in this module. It relies on what CPython does and does not
document: the functions below of `multiprocessing.forkserver` and `resource_tracker`, and that a worker re-runs the main
module by its `__file__`. `tests/test_sweep_executor.py` fails where a version of CPython does otherwise.
"""

import multiprocessing
import multiprocessing.util
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from multiprocessing.context import ForkServerContext

from cnnexp.system import own_process
from cnnexp.system.environment import environment
from cnnexp.system.own_process import SAFE_PATH

# Libraries that would start threads when they are imported; a process must be forked while it has only one.
_ONE_THREAD = {
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}

UNTIL_IMPORTED = "cnnexp"  # value of SAFE_PATH: whoever is started from a worker has the variables of the user
FOLDER = "CNNEXP_FORKSERVER_FOLDER"  # environment variable of the fork server


def start() -> ForkServerContext:
    """Start the fork server unless it is running; do not wait for its imports."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["cnnexp.sweeps.executors.preload"])
    safe = {SAFE_PATH: os.environ.get(SAFE_PATH) or UNTIL_IMPORTED}
    with environment(safe):
        resource_tracker.ensure_running()  # before interrupts are blocked, because starting it unblocks them
    folder = {FOLDER: multiprocessing.util.get_temp_dir()}  # of its socket, removed by whichever process ends last
    with environment({**_ONE_THREAD, **folder, **own_process.location(), **safe}), _interrupts_blocked():
        forkserver.ensure_running()
    return context


def never_rerun_main() -> None:
    """Have workers forked from now on not run again the script that this process was started with."""
    vars(sys.modules["__main__"]).pop("__file__", None)


@contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Block SIGINT, also in what is started meanwhile.

    Ctrl-C reaches every process of the terminal, but only the sweep decides how its runs end.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
