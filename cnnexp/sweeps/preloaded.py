"""Imported by the warm process before its first fork; never import it anywhere else."""

import gc

from cnnexp import quiet

quiet.set_environment()
with quiet.without_announcements():
    import tensorflow  # noqa: F401 - imported, not started: a started runtime does not survive a fork

    import cnnexp.artifacts
    import cnnexp.experiment
    import cnnexp.sweeps.child  # noqa: F401

gc.collect()
gc.freeze()  # so that the collector of a fork does not touch, and thereby copy, the pages it shares
