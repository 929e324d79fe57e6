"""Data sets: found, decoded once, split, and handed over as uint8 arrays."""

from cnnexp.datasets.loading import load_splits
from cnnexp.datasets.splits import Split, Splits

__all__ = ["Split", "Splits", "load_splits"]
