"""Data sets: found, decoded once, split, and handed over as uint8 arrays."""

from cnnexp.datasets.loading import Survey, accept, load_splits, survey
from cnnexp.datasets.splits import Split, Splits

__all__ = ["Split", "Splits", "Survey", "accept", "load_splits", "survey"]
