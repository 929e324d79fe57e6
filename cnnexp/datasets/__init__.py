"""Data sets: found, decoded once, split, and handed over as uint8 arrays."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnnexp.datasets.loading import Survey, accept, load_splits, survey
    from cnnexp.datasets.splits import Split, Splits

__all__ = ["Split", "Splits", "Survey", "accept", "load_splits", "survey"]


def __getattr__(name: str) -> object:
    """Import what loads data sets when it is asked for: processes that only decode images start sooner."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from cnnexp.datasets import loading, splits

    attribute: object = getattr(splits if name in ("Split", "Splits") else loading, name)
    return attribute
