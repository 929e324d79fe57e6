"""Imported by the fork server before its first fork; must not be imported anywhere else."""

import atexit
import os
import shutil
import time
from pathlib import Path

from cnnexp.sweeps.executors.forkserver import FOLDER, UNTIL_IMPORTED
from cnnexp.system import quiet
from cnnexp.system.own_process import SAFE_PATH
from cnnexp.system.quiet import heavy_imports

_STARTED_BY = os.getppid()
_PATIENCE = 5.0  # seconds: of a process that is killed, files are closed some time before it is gone


@atexit.register
def _remove_folder() -> None:
    """Remove the folder of the socket where the process that would do it was killed; forks never come here."""
    folder, end = Path(os.environ[FOLDER]), time.monotonic() + _PATIENCE
    while os.getppid() == _STARTED_BY and folder.exists() and time.monotonic() < end:
        time.sleep(0.01)
    if os.getppid() != _STARTED_BY:
        shutil.rmtree(folder, ignore_errors=True)


if os.environ.get(SAFE_PATH) == UNTIL_IMPORTED:
    del os.environ[SAFE_PATH]
quiet.set_environment()
# Frozen: the garbage collector of a fork does not touch, and thereby copy, the memory pages that it shares.
with quiet.without_announcements(), heavy_imports():
    import tensorflow  # noqa: F401 - imported, not started: a started runtime does not survive a fork

    import cnnexp.runs.artifacts
    import cnnexp.runs.experiment
    import cnnexp.sweeps.executors.process_worker  # noqa: F401
    from cnnexp.report.run.page import load_template

    load_template()  # or each worker would compile it for its first run
