"""How much room the models of runs take, estimated before they are trained."""

from dataclasses import dataclass
from typing import Self

from cnnexp.records import RunInfo
from cnnexp.system.text import file_size

_BYTES = 4  # of a parameter: a model is saved in float32
_BESIDE = 600_000  # bytes beside weights and reference: card, sample input, code, and what the file says of the layers
_RECORDS = "other records take at most about 1 MB a run"  # its page, figures, predictions


@dataclass(frozen=True, slots=True)
class ModelSize:
    """What the files of a model consist of."""

    parameters: int
    reference: int  # bytes of the images and features that travel with it
    head: int | None  # parameters of the head, where all models of a sweep have the same backbone; else None

    @classmethod
    def of_run(cls, info: RunInfo) -> Self:
        """Return that of a run which begins."""
        return cls(info.parameters, info.reference_bytes, info.head_parameters)

    @property
    def shared(self) -> int:
        """Bytes that models with the same backbone have in common; of others, all that depends on the network."""
        return _BYTES * self.parameters + self.reference

    @property
    def whole(self) -> int:
        """Bytes of all files of one model."""
        return self.shared + _BESIDE

    @property
    def own(self) -> int:
        """Bytes that a model of a sweep has for itself where the backbone is stored once."""
        return self.whole if self.head is None else _BYTES * self.head + _BESIDE


def room_for_model(size: ModelSize) -> str:
    """Return the room for the files of one model."""
    return f"about {file_size(size.whole)}"


def room_for_models(count: int | None, size: ModelSize, *, kept: str) -> str:
    """Return the room for the model files of a sweep.

    Args:
        count: How many models are trained; None: it is not known.
        size: Of one of them.
        kept: The setting ``tracking.models``.

    """
    return f"{_room(count, size, kept)}; {_RECORDS}"


def _room(count: int | None, size: ModelSize, kept: str) -> str:
    if kept == "none":
        return f"none is kept (of about {file_size(size.whole)} each)"
    if kept == "best":
        return f"the best run's is kept (about {file_size(size.whole)})"
    if size.head is not None:
        return _room_for_heads(count, size)
    every = (
        f"about {file_size(size.whole)} each"
        if count is None
        else f"{count:,} × {file_size(size.whole)} = {file_size(size.whole * count)}"
    )
    return f"{every}; tracking.models=best keeps one"


def _room_for_heads(count: int | None, size: ModelSize) -> str:
    if count is None:
        return f"the backbone once, about {file_size(size.shared)}, and {file_size(size.own)} for each head"
    total = file_size(size.shared + count * size.own)
    return f"the backbone once, {file_size(size.shared)}, and {count:,} heads × {file_size(size.own)} = {total}"
