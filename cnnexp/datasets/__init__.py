"""Data sets: found, decoded once, split, and handed over as uint8 arrays."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnnexp.datasets.loading import Survey, accept, load_splits, read_facts, survey
    from cnnexp.datasets.splitting import Split, Splits

__all__ = ["Split", "Splits", "Survey", "accept", "load_splits", "read_facts", "survey"]


def __getattr__(name: str) -> object:
    """Import what loads data sets when it is asked for: processes that only decode images start sooner."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from cnnexp.datasets import loading, splitting

    attribute: object = getattr(splitting if name in ("Split", "Splits") else loading, name)
    return attribute
