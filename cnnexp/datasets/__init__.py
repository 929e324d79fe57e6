"""Data sets: found, decoded once, split, and handed over as uint8 arrays."""

from typing import TYPE_CHECKING

from cnnexp.datasets.splits import Split, Splits

if TYPE_CHECKING:
    from cnnexp.datasets.loading import Survey, accept, load_splits, survey

__all__ = ["Split", "Splits", "Survey", "accept", "load_splits", "survey"]


def __getattr__(name: str) -> object:
    """Import what loads data sets when it is asked for: processes that only decode images start in half the time."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from cnnexp.datasets import loading

    attribute: object = getattr(loading, name)
    return attribute
