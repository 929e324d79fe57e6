"""Data sets: found, decoded once, split, and returned as uint8 arrays."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cnnexp.datasets.loading import (
        InspectedDataset,
        cached_spec,
        content_digest,
        dataset_info,
        inspect_dataset,
        load_splits,
        read_images,
        trainable_splits,
    )
    from cnnexp.datasets.sources.similar_names import similar_names
    from cnnexp.datasets.splitting import Split, Splits

__all__ = [
    "InspectedDataset",
    "Split",
    "Splits",
    "cached_spec",
    "content_digest",
    "dataset_info",
    "inspect_dataset",
    "load_splits",
    "read_images",
    "similar_names",
    "trainable_splits",
]  # fmt: skip


def __getattr__(name: str) -> object:
    """Import the loading code when it is first used, so that processes that only decode images start sooner."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from cnnexp.datasets import loading, splitting
    from cnnexp.datasets.sources import similar_names

    owner = similar_names if name == "similar_names" else splitting if name in ("Split", "Splits") else loading
    attribute: object = getattr(owner, name)
    return attribute
