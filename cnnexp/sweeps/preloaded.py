"""Imported by the warm process before its first fork; never import it anywhere else."""

from cnnexp import quiet
from cnnexp.imports import heavy_imports

quiet.set_environment()
# Frozen, the collector of a fork does not touch, and thereby copy, the pages that it shares.
with quiet.without_announcements(), heavy_imports():
    import tensorflow  # noqa: F401 - imported, not started: a started runtime does not survive a fork

    import cnnexp.artifacts
    import cnnexp.experiment
    import cnnexp.sweeps.child  # noqa: F401
