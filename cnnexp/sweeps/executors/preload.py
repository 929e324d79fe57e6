"""Imported by the fork server before its first fork; must not be imported anywhere else."""

from cnnexp.system import quiet
from cnnexp.system.quiet import heavy_imports

quiet.set_environment()
# Frozen: the garbage collector of a fork does not touch, and thereby copy, the memory pages that it shares.
with quiet.without_announcements(), heavy_imports():
    import tensorflow  # noqa: F401 - imported, not started: a started runtime does not survive a fork

    import cnnexp.runs.artifacts
    import cnnexp.runs.experiment
    import cnnexp.sweeps.executors.process_worker  # noqa: F401
    from cnnexp.report.run.page import load_template

    load_template()  # or each worker would compile it for its first run
